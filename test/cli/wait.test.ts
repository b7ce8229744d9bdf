import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Status } from '../../src/api/status.ts';
import { workspace } from './workspace.ts';

const status = (is: 'True' | 'False', observedGeneration = 1): Status => ({
  conditions: [
    {
      type: 'Ready',
      status: is,
      reason: is === 'True' ? 'Ready' : 'Queued',
      message: 'waiting for GPUs',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      observedGeneration,
    },
  ],
});
const MET = { code: 0, stdout: 'vllmdeployment.vllm-slurm.dev/qwen condition met\n', stderr: '' };

test('a condition that holds is met at once, whatever its letters and its wanted status', async () => {
  await using here = workspace();
  await here.serve();
  here.deployment('qwen', {}, status('True'));
  assert.deepEqual(await here.run('wait', 'qwen', '--for=condition=Ready'), MET);
  here.deployment('qwen', {}, status('False'));
  assert.deepEqual(await here.run('wait', 'qwen', '--for', 'condition=ready=false', '--timeout', '0'), MET);
});

test('what becomes true while it waits is met', async () => {
  await using here = workspace();
  await here.serve();
  here.deployment('qwen', {}, status('False'));
  const waiting = here.start('wait', 'qwen', '--for=condition=Ready', '--timeout=60s');
  here.deployment('qwen', {}, status('True'));
  assert.deepEqual(await waiting.finished, MET);
});

test("time that runs out is kubectl's error, with the reason that is known", async () => {
  await using here = workspace();
  await here.serve();
  here.deployment('qwen', {}, status('False'));
  assert.deepEqual(await here.run('wait', 'qwen', '--for=condition=Ready', '--timeout=0'), {
    code: 1,
    stdout: '',
    stderr:
      'error: timed out waiting for the condition on vllmdeployments/qwen: Ready is False, Queued: waiting for GPUs\n',
  });
});

test('a condition of an older generation is no answer', async () => {
  await using here = workspace();
  await here.serve();
  here.deployment('qwen', {}, status('True', 0));
  assert.equal((await here.run('wait', 'qwen', '--for=condition=Ready', '--timeout=0')).code, 1);
});

test('a deployment that is gone satisfies delete, and no condition', async () => {
  await using here = workspace();
  await here.serve();
  assert.deepEqual(await here.run('wait', 'qwen', '--for=delete'), MET);
  assert.deepEqual(await here.run('wait', 'qwen', '--for=condition=Ready'), {
    code: 1,
    stdout: '',
    stderr: 'error: (NotFound): vllmdeployments.vllm-slurm.dev "qwen" not found.\n',
  });
});

test('a goal that cannot be read is wrong usage', async () => {
  await using here = workspace();
  const { code, stdout, stderr } = await here.run('wait', 'qwen', '--for', 'readiness');
  assert.deepEqual({ code, stdout }, { code: 2, stdout: '' });
  assert.match(stderr, /Must be condition=TYPE, condition=TYPE=STATUS or delete\./);
});
