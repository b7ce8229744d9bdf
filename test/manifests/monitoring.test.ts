import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { ok } from '../../src/result.ts';
import { createMetrics } from '../../src/telemetry/metrics/metrics.ts';
import { fakeSlurm, ground } from '../controller/ground.ts';
import { NOW, runningJob } from '../gen/observation.ts';

const read = (file: string): string =>
  readFileSync(new URL(`../../manifests/components/monitoring/${file}`, import.meta.url), 'utf8');

const dashboard = JSON.parse(read('vllm-slurm.json')) as {
  readonly templating: { readonly list: readonly { readonly query: string }[] };
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
};
const rules = parse(read('rules.yaml')) as {
  readonly spec: { readonly groups: readonly { readonly rules: readonly Alert[] }[] };
};
type Alert = {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string; readonly description: string };
};

const alerts = rules.spec.groups.flatMap((group) => group.rules);
const expressions: readonly (readonly [place: string, expr: string])[] = [
  ...dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
  ...dashboard.templating.list.map(({ query }) => ['a variable', query] as const),
  ...alerts.map(({ alert, expr }) => [alert, expr] as const),
];

const RULES = { rulesTrouble: () => undefined };

/** Labels by the name of each series on a page of an operator that has been through everything once. */
async function seriesOnPage(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const user = { user: 'alice', token: '', source: '', endsMs: NOW, endsSoon: false };
  const on = ground({
    credentials: { of: async () => ok(user), ofUser: async () => undefined, lastUser: () => undefined },
    slurm: fakeSlurm({
      listJobs: async () => ({
        ok: true,
        value: { askedAtMs: NOW, bytes: 70, credentialsEndMs: NOW, jobs: [runningJob()] },
      }),
    }),
  });
  const metrics = createMetrics({ clock: on.clock, version: '1', store: on.store, leads: () => true, ...RULES });
  const { slurm, store, meter, credentials } = metrics.metered(on);
  on.store.apply({ namespace: 'default', name: 'web' }, { model: { uri: 'hf://org/model' } });
  const found = await store.get({ namespace: 'default', name: 'web' });
  assert.ok(found.ok && found.value);
  const failure = { reason: 'NodeFailed', message: '', replica: 0, attempt: 1, time: '2026-01-01T00:00:00Z' };
  await store.writeStatus(found.value, { phase: 'Running', lastFailure: failure });
  await slurm.listJobs();
  await credentials?.of('team-a');
  await slurm.submit({ name: 'n', script: '' });
  meter?.paced?.(50, 0);
  meter?.taken(0, 1);
  meter?.turned('success', 1);
  const labels = new Map<string, Set<string>>();
  for (const line of (await metrics.page()).text.split('\n')) {
    const sample = /^([a-z_0-9]+)(?:\{(.*)\})? /.exec(line);
    if (!sample?.[1] || line.startsWith('#')) continue;
    const names = [...(sample[2] ?? '').matchAll(/([a-z_]+)="/g)].map(([, name = '']) => name);
    labels.set(sample[1], new Set([...(labels.get(sample[1]) ?? []), ...names]));
  }
  return labels;
}

/** Prometheus gives every series this one. */
const OF_THE_TARGET = ['instance'];
const OURS = /\b(?:vllm_slurm|controller_runtime|workqueue|leader_election|process|nodejs)_[a-z_0-9]+/g;

describe('dashboard and alerts', () => {
  it('ask for series that the operator has, by labels that these have', async () => {
    const series = await seriesOnPage();
    const wrong = expressions.flatMap(([place, expr]) => {
      const names = [...new Set(expr.match(OURS) ?? [])];
      const unknown = names.filter((name) => !series.has(name)).map((name) => `${place}: no series ${name}`);
      if (place !== 'a variable' && names.length === 0 && expr !== 'prometheus') unknown.push(`${place}: ${expr}`);
      const known = new Set([...OF_THE_TARGET, ...names.flatMap((name) => [...(series.get(name) ?? [])])]);
      const matched = [...expr.matchAll(/[{,]\s*([a-z_]+)\s*(?:=~|!=|=)/g)].map(([, label = '']) => label);
      const grouped = [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/));
      const strange = [...matched, ...grouped].filter((label) => !known.has(label));
      return [...unknown, ...strange.map((label) => `${place}: no label ${label}`)];
    });
    assert.deepEqual(wrong, []);
    assert.ok(expressions.length > 25);
  });

  it('use every series of the operator’s own', async () => {
    const used = new Set(expressions.flatMap(([, expr]) => expr.match(OURS) ?? []));
    const base = (name: string): string => name.replace(/_(bucket|sum|count)$/, '');
    const own = [...(await seriesOnPage()).keys()].filter((name) => name.startsWith('vllm_slurm_')).map(base);
    const bases = new Set([...used].map(base));
    assert.deepEqual(
      [...new Set(own)].filter((name) => !bases.has(name)),
      [],
    );
  });

  it('an alert is written for people, and by labels that its expression keeps', () => {
    const wrong = alerts.flatMap(({ alert, expr, annotations: { summary, description } }) => {
      const kept = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/));
      const named = [...`${summary} ${description}`.matchAll(/\$labels\.([a-z_]+)/g)].map(([, label = '']) => label);
      const lost = named.filter((label) => !kept.includes(label)).map((label) => `${alert}: ${label}`);
      return summary === '' || description === '' ? [...lost, alert] : lost;
    });
    assert.deepEqual(wrong, []);
  });
});
