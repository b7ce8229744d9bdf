import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition, Status } from '../../src/api/status.ts';
import { daysAgo, workspace } from './workspace.ts';

const ready = (status: Condition['status'], reason: string): Condition => ({
  type: 'Ready',
  status,
  reason,
  message: 'm',
  lastTransitionTime: '2026-01-01T00:00:00Z',
});
const SERVING: Status = {
  observedGeneration: 1,
  phase: 'Running',
  readyReplicas: 1,
  url: 'http://10.0.0.7:20001',
  conditions: [ready('True', 'Ready')],
  jobs: [{ replica: 0, attempt: 2, jobId: '41', state: 'RUNNING', partition: 'gpu', nodes: ['n7'] }],
  restarts: 1,
};
const WAITING: Status = {
  phase: 'Queued',
  readyReplicas: 0,
  conditions: [ready('False', 'Queued')],
  jobs: [
    {
      replica: 0,
      attempt: 1,
      jobId: '42',
      state: 'PENDING',
      partition: 'gpu',
      expectedStartTime: '2026-01-02T00:00:00Z',
    },
  ],
};

test("the table is kubectl's: one row a deployment, by name", async () => {
  await using here = workspace();
  await here.serve();
  here.deployment('waiting', { replicas: 2 }, WAITING);
  here.deployment('a', {}, SERVING);
  assert.deepEqual(await here.run('get'), {
    code: 0,
    stderr: '',
    stdout: [
      'NAME      MODEL                  READY   DESIRED   PHASE     URL                     REASON   AGE',
      'a         hf://example/a         1       1         Running   http://10.0.0.7:20001   Ready    3d',
      'waiting   hf://example/waiting   0       2         Queued    <none>                  Queued   3d',
      '',
    ].join('\n'),
  });
});

test('wide adds jobs, nodes and the expected start', async () => {
  await using here = workspace();
  await here.serve();
  here.deployment('a', {}, SERVING);
  here.deployment('b', {}, WAITING);
  const { stdout } = await here.run('get', '-o', 'wide');
  assert.deepEqual(
    stdout.split('\n').map((line) => line.split(/ {3,}/).slice(7)),
    [
      ['JOBS', 'NODES', 'CLUSTER', 'PARTITION', 'EXPECTED-START', 'RESTARTS', 'AGE'],
      ['41', 'n7', '<none>', 'gpu', '<none>', '1', '3d'],
      ['42', '<none>', '<none>', 'gpu', '2026-01-02T00:00:00Z', '<none>', '3d'],
      [],
    ],
  );
});

test('namespaces are kept apart, and -A shows them', async () => {
  await using here = workspace();
  await here.serve();
  here.deployment('a', {}, SERVING);
  here.deployment('b', {}, SERVING, 'team');
  const names = async (...args: string[]) => (await here.run('get', '-o', 'name', ...args)).stdout;
  assert.equal(await names(), 'vllmdeployment.vllm-slurm.dev/a\n');
  assert.equal(await names('-n', 'team'), 'vllmdeployment.vllm-slurm.dev/b\n');
  const { stdout } = await here.run('get', '-A');
  assert.deepEqual(
    stdout.split('\n').map((line) => line.split(/ {3,}/).slice(0, 2)),
    [['NAMESPACE', 'NAME'], ['default', 'a'], ['team', 'b'], ['']],
  );
});

test('JSON is the shape of the Kubernetes API: one object by name, else a List', async () => {
  await using here = workspace();
  await here.serve();
  here.deployment('a', { replicas: 3 }, SERVING);
  const one = JSON.parse((await here.run('get', 'a', '-o', 'json')).stdout);
  const { creationTimestamp, resourceVersion, ...metadata } = one.metadata;
  assert.match(creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.equal(typeof resourceVersion, 'string');
  assert.deepEqual(
    { ...one, metadata, spec: { model: one.spec.model.uri, replicas: one.spec.replicas } },
    {
      apiVersion: 'vllm-slurm.dev/v1alpha1',
      kind: 'VLLMDeployment',
      metadata: { name: 'a', namespace: 'default', uid: 'uid-a', generation: 1 },
      spec: { model: 'hf://example/a', replicas: 3 },
      status: SERVING,
    },
  );
  const list = JSON.parse((await here.run('get', '-o', 'json')).stdout);
  assert.deepEqual(
    { ...list, items: list.items.length, same: JSON.stringify(list.items[0]) === JSON.stringify(one) },
    { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items: 1, same: true },
  );
});

test('an unknown name is not found, and a near one is proposed', async () => {
  await using here = workspace();
  await here.serve();
  here.deployment('qwen', {}, SERVING);
  assert.deepEqual(await here.run('get', 'qwne'), {
    code: 1,
    stdout: '',
    stderr: 'error: (NotFound): vllmdeployments.vllm-slurm.dev "qwne" not found. Did you mean "qwen"?\n',
  });
});

test('without an operator at work it still answers, and says that the answer may be old', async () => {
  await using here = workspace();
  here.deployment('a', {}, SERVING);
  const { code, stdout, stderr } = await here.run('get', '-o', 'name');
  assert.deepEqual(
    { code, stdout, stderr },
    {
      code: 0,
      stdout: 'vllmdeployment.vllm-slurm.dev/a\n',
      stderr: `note: no operator works on ${here.directory}; this is what was true when one did\n`,
    },
  );
});

test('a file that cannot be read is told on stderr with its line, and the others are shown', async () => {
  await using here = workspace();
  await here.serve();
  here.deployment('a', {}, SERVING);
  here.write('broken.yaml', 'apiVersion: vllm-slurm.dev/v1alpha1\nkind: VLLMDeployment\nmetadata: {}\n');
  assert.deepEqual(await here.run('get', '-o', 'name'), {
    code: 0,
    stdout: 'vllmdeployment.vllm-slurm.dev/a\n',
    stderr: 'warning: broken.yaml:3: metadata.name is missing\n',
  });
});

test('an empty directory has no resources, in words for people and as an empty list for programs', async () => {
  await using here = workspace();
  await here.serve();
  assert.deepEqual(await here.run('get'), {
    code: 0,
    stdout: '',
    stderr: 'No resources found in default namespace.\n',
  });
  assert.deepEqual(JSON.parse((await here.run('get', '-o', 'json')).stdout).items, []);
});

test('--watch prints a row again when it changes, and Ctrl-C ends it quietly', async () => {
  await using here = workspace();
  await here.serve();
  here.deployment('a', {}, WAITING);
  const watching = here.start('get', '--watch');
  await watching.says('stdout', 'Queued');
  here.deployment('a', {}, SERVING);
  await watching.says('stdout', 'http://10.0.0.7:20001');
  watching.child.kill('SIGINT');
  const { code, stdout, stderr } = await watching.finished;
  assert.deepEqual(
    {
      code,
      stderr,
      phases: stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ {3,}/)[4]),
    },
    { code: 130, stderr: '', phases: ['PHASE', 'Queued', 'Running'] },
  );
});

test('control characters of a status do not reach the terminal', async () => {
  await using here = workspace();
  await here.serve();
  here.deployment(
    'a',
    {},
    { ...SERVING, conditions: [{ ...ready('False', 'Bad\u001b[2J'), lastTransitionTime: daysAgo(1) }] },
  );
  const { stdout } = await here.run('get', 'a');
  assert.match(stdout, /Bad\[2J/);
});

test('of a preset the model it stands for is shown, before any operator has seen the deployment', async () => {
  await using here = workspace();
  await here.serve();
  const file = { apiVersion: 'vllm-slurm.dev/v1alpha1', kind: 'VLLMDeployment', metadata: { name: 'a' } };
  here.write('a.yaml', JSON.stringify({ ...file, spec: { preset: 'gpt-oss-20b' } }));
  const { stdout } = await here.run('get');
  assert.deepEqual(
    stdout.split('\n').map((line) => line.split(/ {3,}/).slice(0, 2)),
    [['NAME', 'MODEL'], ['a', 'hf://openai/gpt-oss-20b'], ['']],
  );
});
