import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { customResourceDefinition } from '../../src/api/crd.ts';
import { PRESET_PARTS, Spec } from '../../src/api/spec.ts';
import type { KubernetesApi } from '../../src/kubernetes/api.ts';
import { readSpec } from '../../src/launch/read-spec.ts';
import { value } from '../contract/store.ts';
import { catalogOf } from '../gen/catalog.ts';
import { type KubeBed, startKubeBed } from './kube-bed/bed.ts';
import { connect, installCrd } from './kube-bed/crd.ts';
import { whyNoPrograms } from './kube-bed/programs.ts';
import { boundaries, OPERATORS_OWN, SPECS, type SpecCase } from './kube-bed/specs.ts';
import { until } from './operator/until.ts';

const COLLECTION = '/apis/vllm-slurm.dev/v1alpha1/namespaces/default/vllmdeployments';

/** The definition as a real API server takes it, and what it lets through. */
/** Which names are presets the operator alone knows: of these all that the schema lets through. */
const PRESETS = catalogOf({ word: {}, '20000-30000': {} });

describe('the CustomResourceDefinition on a real API server', { skip: whyNoPrograms() ?? false }, () => {
  let bed: KubeBed;
  let api: KubernetesApi;
  before(async () => {
    bed = await startKubeBed();
    api = await connect(bed);
    await installCrd(bed, api, customResourceDefinition());
  });
  after(async () => {
    await api?.close();
    await bed?.stop();
  });

  /** As `kubectl apply` would, with nothing kept. @returns what the server has against it */
  async function judge(spec: unknown, name = 'judged'): Promise<string | undefined> {
    const answer = await api.request({
      method: 'POST',
      path: COLLECTION,
      query: { dryRun: 'All', fieldValidation: 'Strict' },
      body: { apiVersion: 'vllm-slurm.dev/v1alpha1', kind: 'VLLMDeployment', metadata: { name }, spec },
    });
    if (!answer.ok) assert.equal(answer.error.kind, 'refused', answer.error.message);
    return answer.ok ? undefined : answer.error.message;
  }

  test('it is established, structural, and accepted without a warning', async () => {
    const crd = JSON.parse(await bed.kubectl('get', 'crd', 'vllmdeployments.vllm-slurm.dev', '-o', 'json')) as {
      readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
    };
    assert.deepEqual(Object.fromEntries(crd.status.conditions.map(({ type, status }) => [type, status])), {
      Established: 'True',
      NamesAccepted: 'True',
    });
    assert.equal(await bed.warningsOf(JSON.stringify(customResourceDefinition())), '');
  });

  test('a spec comes back from it with the defaults that the operator fills in itself', async () => {
    const least = { model: { uri: 'hf://org/model' } };
    const made = value(
      await api.request({
        method: 'POST',
        path: COLLECTION,
        query: { dryRun: 'All' },
        body: {
          apiVersion: 'vllm-slurm.dev/v1alpha1',
          kind: 'VLLMDeployment',
          metadata: { name: 'least' },
          spec: least,
        },
      }),
    ) as { readonly spec: unknown };
    // Where a preset may say something, nothing is filled in.
    const parts: readonly string[] = PRESET_PARTS;
    const defaults = Object.entries(Spec.parse(least)).filter(([part]) => !parts.includes(part));
    assert.deepEqual(made.spec, JSON.parse(JSON.stringify({ ...least, ...Object.fromEntries(defaults) })));
  });

  test('kubectl explain teaches the fields', async () => {
    // The published schema follows the definition by a moment.
    const said = await until('an explanation', () =>
      bed.kubectl('explain', 'vllmdeployment.spec.slurm.time').catch(() => undefined),
    );
    assert.match(said, /Walltime of one attempt/);
  });

  test('short name, category and field selectors find a deployment', async () => {
    await bed.kubectlWith(
      JSON.stringify({
        apiVersion: 'vllm-slurm.dev/v1alpha1',
        kind: 'VLLMDeployment',
        metadata: { name: 'found' },
        spec: { model: { uri: 'hf://org/found' }, suspend: true },
      }),
      'apply',
      '-f',
      '-',
    );
    for (const how of [
      ['vllmd'],
      ['vllm'],
      ['vllmd', '--field-selector=spec.model.uri=hf://org/found,spec.suspend=true'],
    ])
      assert.match(
        await bed.kubectl('get', ...how, '-o', 'name'),
        /vllmdeployment\.vllm-slurm\.dev\/found/,
        how.join(' '),
      );
    assert.equal(await bed.kubectl('get', 'vllmd', '--field-selector=status.phase=Stalled', '-o', 'name'), '');
  });

  test('a name with a dot is refused, for a job name must read back one way only', async () => {
    assert.match(
      (await judge({ model: { uri: 'hf://org/model' } }, 'a.b')) ?? '',
      /metadata\.name must be a DNS label/,
    );
  });

  for (const { what, spec, says } of SPECS) {
    test(`${what}: ${says === undefined ? 'accepted' : 'refused'} by the server and by the operator`, async () => {
      const said = await judge(spec);
      const read = readSpec(spec);
      assert.equal(read.ok, says === undefined, JSON.stringify(read));
      if (says === undefined) assert.equal(said, undefined);
      else assert.match(said ?? 'accepted', says);
    });
  }

  for (const { what, spec, says } of OPERATORS_OWN) {
    test(`${what}: let through by the server, told in a condition by the operator`, async () => {
      assert.equal(await judge(spec), undefined);
      const read = readSpec(spec);
      assert.match(JSON.stringify(read), says ?? /./);
    });
  }

  test('every field at, within and beyond its bounds: one verdict', async () => {
    const wrong: string[] = [];
    const cases = boundaries();
    for (const { what, spec } of cases) {
      const said = await judge(spec);
      const read = readSpec(spec, PRESETS);
      if ((said === undefined) !== read.ok)
        wrong.push(
          `${what}: server ${said ?? 'accepts'}; operator ${read.ok ? 'accepts' : JSON.stringify(read.error)}`,
        );
    }
    assert.deepEqual(wrong, []);
    const refused = cases.filter(({ spec }: SpecCase) => !readSpec(spec, PRESETS).ok).length;
    assert.ok(refused >= 200, `${refused} wrong ones of ${cases.length}`);
  });
});
