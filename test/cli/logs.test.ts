import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { type Workspace, workspace } from './workspace.ts';

function log(here: Workspace, attempt: string, jobId: number, text: string): string {
  const file = path.join(here.logs, `vllm.default.qwen.${attempt}-${jobId}.log`);
  writeFileSync(file, text);
  return file;
}

async function served(): Promise<Workspace> {
  const here = workspace();
  await here.serve();
  here.deployment(
    'qwen',
    { replicas: 2 },
    { jobs: [{ replica: 0, attempt: 3, jobId: '12', state: 'RUNNING', startTime: '2026-01-01T00:00:00Z' }] },
  );
  return here;
}

test("the newest attempt's log is printed; --replica, --attempt and --tail choose", async () => {
  await using here = await served();
  log(here, 'r0.a1', 9, 'old\n');
  log(here, 'r0.a3', 12, 'one\ntwo\nthree\n');
  log(here, 'r1.a2', 11, 'replica 1\n');
  const cases: readonly (readonly [readonly string[], string])[] = [
    [[], 'one\ntwo\nthree\n'],
    [['--tail', '2'], 'two\nthree\n'],
    [['--tail', '0'], ''],
    [['--tail', '9'], 'one\ntwo\nthree\n'],
    [['--replica', '1'], 'replica 1\n'],
    [['--attempt', '1'], 'old\n'],
    [['--previous'], 'old\n'],
  ];
  for (const [args, stdout] of cases) {
    assert.deepEqual(await here.run('logs', 'qwen', ...args), { code: 0, stdout, stderr: '' });
  }
});

test('--tail finds its place in a log longer than what is read at once', async () => {
  await using here = await served();
  const line = (at: number) => `line ${at} ${'x'.repeat(100)}`;
  log(here, 'r0.a3', 12, Array.from({ length: 5000 }, (_, at) => line(at)).join('\n'));
  const { stdout } = await here.run('logs', 'qwen', '--tail', '1500');
  assert.deepEqual(
    stdout.split('\n'),
    Array.from({ length: 1500 }, (_, at) => line(3500 + at)),
  );
});

test('--follow goes on as the log grows, then with the next attempt, until Ctrl-C', async () => {
  await using here = await served();
  const file = log(here, 'r0.a3', 12, 'one\n');
  const following = here.start('logs', 'qwen', '-f');
  await following.says('stdout', 'one\n');
  appendFileSync(file, 'two\n');
  await following.says('stdout', 'two\n');
  log(here, 'r0.a4', 13, 'again\n');
  await following.says('stdout', 'again\n');
  following.child.kill('SIGINT');
  assert.deepEqual(await following.finished, {
    code: 130,
    stdout: 'one\ntwo\nagain\n',
    stderr: '--- attempt 4, job 13 ---\n',
  });
});

test('the log is looked for where the operator wrote that it is, not where a person’s settings say', async () => {
  await using here = workspace();
  await here.serve();
  const elsewhere = path.join(here.home, 'elsewhere');
  mkdirSync(elsewhere);
  for (const [name, text] of [
    ['r0.a1-9', 'old\n'],
    ['r0.a2-12', 'new\n'],
  ] as const)
    writeFileSync(path.join(elsewhere, `vllm.default.qwen.${name}.log`), text);
  const job = {
    replica: 0,
    attempt: 2,
    jobId: '12',
    state: 'RUNNING',
    log: path.join(elsewhere, 'vllm.default.qwen.r0.a2-12.log'),
  };
  here.deployment('qwen', {}, { jobs: [job] });
  assert.deepEqual(await here.run('logs', 'qwen'), { code: 0, stdout: 'new\n', stderr: '' });
  assert.deepEqual(await here.run('logs', 'qwen', '-p'), { code: 0, stdout: 'old\n', stderr: '' });
});

test('there is no log of an earlier attempt when there was none', async () => {
  await using here = await served();
  log(here, 'r0.a3', 12, 'one\n');
  assert.deepEqual(await here.run('logs', 'qwen', '--previous'), {
    code: 1,
    stdout: '',
    stderr: `error: replica 0 of qwen has no log of an earlier attempt in ${here.logs}\n`,
  });
});

test('a job that has not started has no log, and that is what is said', async () => {
  await using here = workspace();
  await here.serve();
  here.deployment('qwen', {}, { jobs: [{ replica: 0, attempt: 1, jobId: '12', state: 'PENDING' }] });
  assert.deepEqual(await here.run('logs', 'qwen'), {
    code: 1,
    stdout: '',
    stderr: 'error: replica 0 of qwen has no log yet: job 12 is PENDING\n',
  });
});

test('an attempt without a log is told with those there are', async () => {
  await using here = await served();
  log(here, 'r0.a1', 9, 'old\n');
  assert.deepEqual(await here.run('logs', 'qwen', '--attempt', '7'), {
    code: 1,
    stdout: '',
    stderr: `error: replica 0 of qwen, attempt 7, has no log in ${here.logs}; there are replica 0 attempt 1\n`,
  });
});
