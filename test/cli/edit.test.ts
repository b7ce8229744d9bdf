import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { workspace } from './workspace.ts';

const FILE = `# ours
apiVersion: vllm-slurm.dev/v1alpha1
kind: VLLMDeployment
metadata: { name: qwen }
spec:
  model: { uri: hf://a/b } # small
  replicas: 1
---
apiVersion: vllm-slurm.dev/v1alpha1
kind: VLLMDeployment
metadata: { name: other }
spec:
  model: { uri: hf://a/c }
`;

test('scale changes one number of the file and leaves the rest as a person wrote it', async () => {
  await using here = workspace();
  await here.serve();
  here.write('all.yaml', FILE);
  assert.deepEqual(await here.run('scale', 'qwen', '--replicas', '3'), {
    code: 0,
    stdout: 'vllmdeployment.vllm-slurm.dev/qwen scaled\n',
    stderr: '',
  });
  assert.equal(here.read('all.yaml'), FILE.replace('replicas: 1', 'replicas: 3'));
});

test('delete takes the one document out, and the file with the last of them', async () => {
  await using here = workspace();
  await here.serve();
  here.write('all.yaml', FILE);
  assert.deepEqual(await here.run('delete', 'qwen'), {
    code: 0,
    stdout: 'vllmdeployment.vllm-slurm.dev "qwen" deleted\n',
    stderr: '',
  });
  assert.deepEqual(
    [here.read('all.yaml').includes('qwen'), here.read('all.yaml').includes('name: other')],
    [false, true],
  );
  await here.run('delete', 'other');
  assert.equal(existsSync(path.join(here.directory, 'all.yaml')), false);
});

test('delete --wait returns when nothing is left, and says what it waits for when something is', async () => {
  await using here = workspace();
  await here.serve();
  here.write('all.yaml', FILE);
  assert.equal((await here.run('delete', 'qwen', '--wait')).code, 0);
  here.deployment('kept', {}, {});
  here.write(
    'kept.status.yaml',
    here.read('kept.status.yaml').replace('finalizers: []', 'finalizers: [vllm-slurm.dev/slurm-jobs]'),
  );
  assert.deepEqual(await here.run('delete', 'kept', '--wait', '--timeout', '0'), {
    code: 1,
    stdout: 'vllmdeployment.vllm-slurm.dev "kept" deleted\n',
    stderr:
      'the operator cancels the jobs: is one running on this directory?\nerror: timed out waiting for the condition on vllmdeployments/kept\n',
  });
});

test('nothing is edited for a name that is not there, or a number that is none', async () => {
  await using here = workspace();
  await here.serve();
  here.write('all.yaml', FILE);
  assert.equal((await here.run('scale', 'qwen', '--replicas=-1')).code, 2);
  assert.equal((await here.run('scale', 'qwn', '--replicas=2')).code, 1);
  assert.equal((await here.run('delete', 'qwn')).code, 1);
  assert.equal(here.read('all.yaml'), FILE);
});
