import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { readCatalog } from '../../src/cli/catalog-files.ts';
import { readSpec } from '../../src/launch/read-spec.ts';
import { workspace } from './workspace.ts';

const FILE = `apiVersion: vllm-slurm.dev/v1alpha1
kind: VLLMDeployment
metadata: { name: qwen }
spec:
  model: { uri: hf://a/b }
  replicas: 2
  slurm: { partitions: [gpu] }
`;

test('render prints the batch script and nothing else, and needs no directory', async () => {
  await using here = workspace();
  const { code, stdout, stderr } = await here.runWithInput(FILE, 'render', '-f', '-', '--directory', '/nowhere');
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const lines = stdout.split('\n');
  assert.equal(lines[0], '#!/bin/bash');
  assert.ok(lines.includes('#SBATCH --job-name=vllm.default.qwen.r0.a1'));
  assert.ok(lines.includes('#SBATCH --partition=gpu'));
});

test('plan tells what would be submitted with the exact script, and does nothing', async () => {
  await using here = workspace();
  const before = readdirSync(here.home, { recursive: true });
  const { code, stdout } = await here.runWithInput(FILE, 'plan', '-f', '-');
  assert.equal(code, 0);
  assert.deepEqual(stdout.split('\n').slice(0, 3), [
    'default/qwen: new, 2 replicas',
    '  submit vllm.default.qwen.r0.a1 (replica 0, attempt 1)',
    '  submit vllm.default.qwen.r1.a1 (replica 1, attempt 1)',
  ]);
  const scripts = stdout.split('--- sbatch input of ').slice(1);
  const rendered = (await here.runWithInput(FILE, 'render', '-f', '-')).stdout;
  const planned = scripts[0]?.split('\n').slice(1).join('\n').split('\n--- end ---')[0];
  assert.equal(scripts.length, 2);
  assert.equal(planned?.replaceAll(/nonce=\S+/g, 'nonce=preview'), rendered.trimEnd());
  assert.deepEqual(readdirSync(here.home, { recursive: true }), before);
});

test('all that is wrong with a file is told with line and field, and nothing is planned', async () => {
  await using here = workspace();
  const wrong = FILE.replace('replicas: 2', 'replicas: many').replace('slurm:', 'slrum:');
  const { code, stdout, stderr } = await here.runWithInput(wrong, 'plan', '-f', '-');
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
  assert.match(stderr, /^error: stdin:6: spec\.replicas: /m);
  assert.match(stderr, /^error: stdin:7: spec\.slrum: .*slurm/m);
});

test('a file that is not there, and one without deployments, are told apart', async () => {
  await using here = workspace();
  const missing = await here.run('render', '-f', 'missing.yaml');
  assert.deepEqual({ code: missing.code, stdout: missing.stdout }, { code: 1, stdout: '' });
  assert.match(missing.stderr, /^error: missing\.yaml cannot be read: /);
  const foreign = await here.runWithInput('apiVersion: v1\nkind: ConfigMap\n', 'render', '-f', '-');
  assert.deepEqual(foreign, { code: 1, stdout: '', stderr: 'error: stdin holds no deployment\n' });
});

test('plan tells where each value is from, and warns of a model that will not fit; nothing is refused for it', async () => {
  await using here = workspace();
  const file = FILE.replace('model: { uri: hf://a/b }', 'preset: gpt-oss-120b');
  const tight = await here.runWithInput(file, 'plan', '-f', '-', '--set', 'hardware.gpuMemoryGiB=40');
  assert.equal(tight.code, 0);
  const told = tight.stdout.split('\n\n')[0]?.split('\n').slice(4) ?? [];
  assert.deepEqual(
    told.map((line) => line.trim().replaceAll(/ {2,}/g, '  ')),
    [
      'warning: spec.resources: the weights take 60.8 GiB of each GPU, and a GPU of 40 GiB has 35 GiB for them: take at least 2 GPUs of this kind for one copy, or a smaller quantization',
      'values, and where each is from:',
      'engine.args  ["--max-num-batched-tokens","1024"]  catalog',
      'engine.gpuMemoryUtilization  0.95  catalog',
      'engine.maxModelLen  131072  catalog',
      'engine.reasoningParser  "openai_gptoss"  catalog',
      'engine.toolCallParser  "openai"  catalog',
      'model.uri  "hf://openai/gpt-oss-120b"  catalog',
      'preset  "gpt-oss-120b"  spec',
      'replicas  2  spec',
      'resources.cpusPerTask  16  catalog',
      'resources.gpusPerNode  1  catalog',
      'resources.memoryPerGpu  "160G"  catalog',
      'resources.nodes  1  catalog',
      'slurm.partitions  ["gpu"]  spec',
    ],
  );
  assert.equal(tight.stdout.split('--- sbatch input of ').length, 3);
});

test('every preset is planned without a warning on a cluster of its size, and with the right ones on a smaller', async () => {
  await using here = workspace();
  const read = readCatalog({});
  assert.ok(read.ok);
  const catalog = read.value;
  const sizes = new Map(
    Array.from(catalog.entries, ([name, { preset }]) => {
      const spec = readSpec({ preset: name }, catalog);
      assert.ok(spec.ok);
      const { nodes, gpusPerNode } = spec.value.resources;
      return [name, { nodes, gpusPerNode, gpuMemoryGiB: preset.gpuMemoryGiB }];
    }),
  );

  /** By preset, the fields that are warned of. */
  async function warnings(names: readonly string[], hardware: Readonly<Record<string, number>>) {
    const files = names.map((name) =>
      FILE.replace('name: qwen', `name: ${name.replace('.', '-')}`).replace(
        'model: { uri: hf://a/b }',
        `preset: ${name}`,
      ),
    );
    const settings = Object.entries(hardware).flatMap(([field, size]) => ['--set', `hardware.${field}=${size}`]);
    const { code, stdout } = await here.runWithInput(files.join('---\n'), 'plan', '-f', '-', ...settings);
    assert.equal(code, 0);
    const planned = stdout.split(/^default\//m).slice(1);
    assert.equal(planned.length, names.length);
    return planned.map((text) => Array.from(text.matchAll(/^ *warning: (\S+): /gm), ([, field]) => field));
  }

  const names = [...sizes.keys()];
  for (const [own, alike] of Map.groupBy(names, (name) => JSON.stringify(sizes.get(name))))
    assert.deepEqual(
      await warnings(alike, JSON.parse(own)),
      alike.map(() => []),
      own,
    );
  assert.deepEqual(
    await warnings(names, { gpuMemoryGiB: 8 }),
    names.map(() => ['spec.resources']),
  );
  assert.deepEqual(
    await warnings(names, { nodes: 1, gpusPerNode: 1 }),
    [...sizes.values()].map(({ nodes, gpusPerNode }) => [
      ...(gpusPerNode > 1 ? ['spec.resources.gpusPerNode'] : []),
      ...(nodes > 1 ? ['spec.resources.nodes'] : []),
    ]),
  );
});
