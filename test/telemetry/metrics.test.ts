import assert from 'node:assert/strict';
import { test } from 'node:test';
import { err } from '../../src/result.ts';
import type { NamespaceCredentials } from '../../src/secrets/secrets.ts';
import { createMetrics } from '../../src/telemetry/metrics/metrics.ts';
import { fakeSlurm, ground } from '../controller/ground.ts';
import { NOW, runningJob } from '../gen/observation.ts';

const KEY = { namespace: 'default', name: 'web' };
const FAILURE = {
  ...{ reason: 'NodeFailed', message: 'node002 failed', replica: 0, attempt: 1 },
  time: '2026-01-01T00:00:00Z',
};

/** Lines of the page that hold a value, without those of the process. */
async function values(metrics: ReturnType<typeof createMetrics>, about: RegExp): Promise<readonly string[]> {
  const { text } = await metrics.page();
  return text.split('\n').filter((line) => about.test(line) && !line.startsWith('#'));
}

test('turns and those who wait are counted under the names of controller-runtime', async () => {
  const on = ground();
  const metrics = createMetrics({ clock: on.clock, version: '1', store: on.store });
  const { meter } = metrics.metered(on);
  meter?.added(3);
  meter?.taken(2, 500);
  meter?.turned('requeue_after', 20);
  meter?.turned('error', 20);
  const label = 'controller="vllmdeployment"';
  assert.deepEqual(
    await values(metrics, /^(workqueue_(depth|adds|retries)|controller_runtime_reconcile(_errors)?_total)/),
    [
      'workqueue_depth{name="vllmdeployment"} 2',
      'workqueue_adds_total{name="vllmdeployment"} 1',
      'workqueue_retries_total{name="vllmdeployment"} 1',
      `controller_runtime_reconcile_total{${label},result="success"} 0`,
      `controller_runtime_reconcile_total{${label},result="requeue_after"} 1`,
      `controller_runtime_reconcile_total{${label},result="error"} 1`,
      `controller_runtime_reconcile_errors_total{${label}} 1`,
    ],
  );
});

test('what SLURM is asked is timed, its listing counted, its age told', async () => {
  const slurm = fakeSlurm({
    listJobs: async () => ({
      ok: true,
      value: {
        askedAtMs: NOW,
        bytes: 140,
        credentialsEndMs: NOW + 3_600_000,
        jobs: [runningJob(), runningJob({ replica: 1 })],
      },
    }),
    submit: async () => err({ kind: 'unknown', message: 'no answer' }),
  });
  const on = ground({ slurm });
  const metrics = createMetrics({ clock: on.clock, version: '1', store: on.store });
  const counted = metrics.metered(on);
  assert.deepEqual(await values(metrics, /^vllm_slurm_(jobs|listing|credentials)/), []);
  await counted.slurm.listJobs();
  await counted.slurm.submit({ name: 'n', script: '' });
  await on.clock.advance(5_000);
  assert.deepEqual(
    await values(metrics, /^vllm_slurm_(jobs|submissions|listing|credentials|call_duration_seconds_count)/),
    [
      'vllm_slurm_call_duration_seconds_count{cluster="test",call="listJobs",result="ok"} 1',
      'vllm_slurm_call_duration_seconds_count{cluster="test",call="submit",result="unknown"} 1',
      'vllm_slurm_submissions_total{cluster="test",result="unknown"} 1',
      'vllm_slurm_jobs{cluster="test",state="RUNNING"} 2',
      'vllm_slurm_listing_bytes{cluster="test"} 140',
      `vllm_slurm_credentials_end_timestamp_seconds{cluster="test"} ${NOW / 1000 + 3600}`,
      'vllm_slurm_listing_age_seconds{cluster="test"} 5',
    ],
  );
});

test('the end of a namespace’s token is told, also once it is over, until its Secret is gone', async () => {
  let known: Awaited<ReturnType<NamespaceCredentials['of']>> = {
    ok: true,
    value: { user: 'alice', token: 'a.b.c', source: 'Secret team-a/slurm', endsMs: NOW, endsSoon: false },
  };
  const credentials = { of: async () => known, ofUser: async () => undefined, lastUser: () => undefined };
  const on = ground({ credentials });
  const metrics = createMetrics({ clock: on.clock, version: '1', store: on.store });
  const counted = metrics.metered(on);
  const told = async () => {
    await counted.credentials?.of('team-a');
    return values(metrics, /namespace_credentials/);
  };
  const lines = [
    `vllm_slurm_namespace_credentials_end_timestamp_seconds{cluster="test",namespace="team-a"} ${NOW / 1000}`,
  ];
  assert.deepEqual(await told(), lines);
  known = { ok: false, error: { kind: 'missing', message: 'it expired' } };
  assert.deepEqual(await told(), lines);
  known = { ok: false, error: { kind: 'missing', message: 'there is no Secret', isAbsent: true } };
  assert.deepEqual(await told(), []);
});

test('each cluster is told apart: what one lists takes nothing from another, and their queues are one number', async () => {
  const listing = async () => ({ ok: true as const, value: { askedAtMs: NOW, jobs: [runningJob()] } });
  const on = ground();
  const metrics = createMetrics({ clock: on.clock, version: '1', store: on.store });
  const [alps, jura] = ['alps', 'jura'].map((cluster) =>
    metrics.metered({ ...on, slurm: { ...fakeSlurm({ listJobs: listing }), cluster } }),
  );
  await alps?.slurm.listJobs();
  await on.clock.advance(5_000);
  await jura?.slurm.listJobs();
  alps?.meter?.added(2);
  jura?.meter?.added(1);
  alps?.meter?.taken(1, 0);
  assert.deepEqual(await values(metrics, /^(vllm_slurm_jobs|workqueue_depth)/), [
    'workqueue_depth{name="vllmdeployment"} 2',
    'vllm_slurm_jobs{cluster="alps",state="RUNNING"} 1',
    'vllm_slurm_jobs{cluster="jura",state="RUNNING"} 1',
  ]);
});

test('deployments are told as they are when somebody looks, and a failure counts once however often it is written', async () => {
  const on = ground();
  const metrics = createMetrics({ clock: on.clock, version: '1', store: on.store, leads: () => true });
  const { store } = metrics.metered(on);
  on.store.apply(KEY, { model: { uri: 'hf://org/model' }, replicas: 2 });
  const found = await store.get(KEY);
  assert.ok(found.ok && found.value);
  const once = await store.writeStatus(found.value, { phase: 'Degraded', readyReplicas: 1, lastFailure: FAILURE });
  assert.ok(once.ok);
  await store.writeStatus(once.value, { phase: 'Running', readyReplicas: 2, lastFailure: FAILURE });
  await store.writeStatus(once.value, { phase: 'Degraded' });
  assert.deepEqual(await values(metrics, /^(vllm_slurm_(deployment|failures|store)|leader)/), [
    'vllm_slurm_store_writes_total{write="status",result="ok"} 2',
    'vllm_slurm_store_writes_total{write="status",result="conflict"} 1',
    'vllm_slurm_failures_total{reason="NodeFailed"} 1',
    'leader_election_master_status{name="vllmdeployment"} 1',
    'vllm_slurm_deployment_ready_replicas{namespace="default",name="web"} 2',
    'vllm_slurm_deployments{phase="Running"} 1',
    'vllm_slurm_deployment_replicas{namespace="default",name="web"} 2',
  ]);
  on.store.apply(KEY, { model: { uri: 'hf://org/model' }, replicas: 2, suspend: true });
  assert.deepEqual(await values(metrics, /^vllm_slurm_deployment_replicas/), [
    'vllm_slurm_deployment_replicas{namespace="default",name="web"} 0',
  ]);
  on.store.remove(KEY);
  assert.deepEqual(await values(metrics, /^vllm_slurm_deployment/), []);
});

test('whether the rules for namespaces are those of their file is told where there are rules', async () => {
  const on = ground();
  let trouble: string | undefined = 'tenancy.yaml:2: a mistake';
  const metrics = createMetrics({ clock: on.clock, version: '1', store: on.store, rulesTrouble: () => trouble });
  assert.deepEqual(await values(metrics, /tenancy/), ['vllm_slurm_tenancy_file_in_use 0']);
  trouble = undefined;
  assert.deepEqual(await values(metrics, /tenancy/), ['vllm_slurm_tenancy_file_in_use 1']);
  const without = createMetrics({ clock: on.clock, version: '1', store: on.store });
  assert.deepEqual(await values(without, /tenancy/), []);
});
