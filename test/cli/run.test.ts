import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { jobsOf } from './local-jobs.ts';
import { workspace } from './workspace.ts';

const STAND_IN = `apiVersion: vllm-slurm.dev/v1alpha1
kind: VLLMDeployment
metadata: { name: echo }
spec:
  model: { uri: hf://example/echo }
  resources: { gpusPerNode: 0 }
  engine: { type: stand-in }
`;
const SETTINGS = ['--set', 'intervals.tickSeconds=1', '--set', 'local.cpus=4', '--set', 'local.directory=cluster'];

test('run brings a file to an answering endpoint, ends in good order, finds its job again, and delete leaves nothing', async () => {
  await using here = workspace();
  await using _jobs = jobsOf(here);
  here.write('echo.yaml', STAND_IN);
  const first = here.start('run', ...SETTINGS);
  await first.says('stderr', 'cluster.type is local');
  await first.says('stderr', '"Submitted"');
  assert.equal((await here.run('wait', 'echo', '--for=condition=Ready', '--timeout', '55s')).code, 0);
  const answer = await here.run('query', 'echo', 'Hello', '--max-tokens', '8');
  assert.deepEqual({ code: answer.code, stderr: answer.stderr }, { code: 0, stderr: '' });
  assert.match(answer.stdout, /stand-in/);
  first.child.kill('SIGTERM');
  assert.equal((await first.finished).code, 0);

  const second = here.start('run', ...SETTINGS);
  await second.says('stderr', 'SLURM answers');
  assert.equal((await here.run('wait', 'echo', '--for=condition=Ready', '--timeout', '55s')).code, 0);
  assert.deepEqual(readdirSync(path.join(here.home, 'cluster', 'jobs')), ['1']);
  assert.equal((await here.run('delete', 'echo', '--wait', '--timeout', '55s')).code, 0);
  second.child.kill('SIGINT');
  const ended = await second.finished;
  assert.deepEqual({ code: ended.code, stdout: ended.stdout }, { code: 0, stdout: '' });
});

test('two operators on one directory: the second is refused and says who works there', async () => {
  await using here = workspace();
  await here.serve();
  const { code, stdout, stderr } = await here.run('run', ...SETTINGS);
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
  assert.match(stderr, new RegExp(`error: \\S+ is served by another controller already: process ${process.pid} `));
});
