import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isRunning, localBed, until } from './bed.ts';

const OPERATOR = fileURLToPath(new URL('operator.ts', import.meta.url));
const gone = (pid: string) => until(`process ${pid} gone`, async () => (isRunning(pid) ? undefined : true));

test('a cancel leaves no process, not even one in a session of its own that ignores TERM', async (t) => {
  const bed = await localBed(t, { killWaitMs: 1000 });
  const ref = await bed.submit(
    'vllm.a.b.r0.a1',
    'setsid bash -c \'trap "" TERM; echo $$ >deaf; while :; do sleep 1; done\' &',
    'sleep 600 & echo $! >child',
    'wait',
  );
  const pids = [await bed.written(ref, 'deaf'), await bed.written(ref, 'child')];
  await bed.slurm().cancel(ref);
  assert.equal((await bed.jobOf(ref))?.state, 'COMPLETING');
  assert.deepEqual(await bed.endingOf(ref), { state: 'CANCELLED', exitCode: 0, signal: 15, reason: 'None' });
  assert.deepEqual(pids.filter(isRunning), []);
});

test('a cancel that comes before the script has begun ends the job all the same', async (t) => {
  const programs = await mkdtemp(join(tmpdir(), 'vllm-slurm-programs-'));
  t.after(() => rm(programs, { recursive: true }));
  await writeFile(join(programs, 'setsid'), '#!/bin/sh\nsleep 1\nexec /usr/bin/setsid "$@"\n', { mode: 0o700 });
  const bed = await localBed(t, { environment: { PATH: `${programs}:${process.env.PATH}` } });
  const ref = await bed.submit('vllm.a.b.r0.a1', 'sleep 600');
  const keeper = join(bed.directory, 'jobs', ref.id, 'pid');
  await until('its keeper is there', async () => existsSync(keeper) || undefined);
  await bed.slurm().cancel(ref);
  assert.equal((await bed.endingOf(ref)).state, 'CANCELLED');
});

test('what a script leaves behind is ended with it', async (t) => {
  const bed = await localBed(t);
  const ref = await bed.submit('vllm.a.b.r0.a1', 'setsid sleep 600 & echo $! >left', 'exit 3');
  const left = await bed.written(ref, 'left');
  assert.deepEqual(await bed.endingOf(ref), { state: 'FAILED', exitCode: 3, signal: 0, reason: 'NonZeroExitCode' });
  assert.equal(isRunning(left), false);
});

test('a script that is killed ends by that signal; one that exits 143 by that code', async (t) => {
  const bed = await localBed(t);
  const killed = await bed.submit('vllm.a.b.r0.a1', 'kill -KILL $$');
  const trapped = await bed.submit('vllm.a.b.r1.a1', 'exit 143');
  assert.deepEqual(await bed.endingOf(killed), {
    state: 'FAILED',
    exitCode: 0,
    signal: 9,
    reason: 'RaisedSignal:9(Killed)',
  });
  assert.deepEqual(await bed.endingOf(trapped), {
    state: 'FAILED',
    exitCode: 143,
    signal: 0,
    reason: 'NonZeroExitCode',
  });
});

test('a script may answer TERM with words of its own before it goes', async (t) => {
  const bed = await localBed(t);
  const ref = await bed.submit(
    'vllm.a.b.r0.a1',
    "trap 'echo bye >bye; exit 143' TERM",
    'echo up >up',
    'sleep 600 & wait',
  );
  await bed.written(ref, 'up');
  await bed.slurm().cancel(ref);
  await bed.untilPhase(ref, 'ended');
  assert.equal(await bed.written(ref, 'bye'), 'bye');
});

test('a job past its time limit ends TIMEOUT, and is warned before when it asks', async (t) => {
  const bed = await localBed(t);
  const ref = await bed.submit(
    'vllm.a.b.r0.a1',
    '#SBATCH --time=0:03 --signal=B:USR1@2',
    "trap 'echo warned >warned' USR1",
    'while :; do sleep 0.1; done',
  );
  assert.equal(await bed.written(ref, 'warned'), 'warned');
  assert.deepEqual(await bed.endingOf(ref), { state: 'TIMEOUT', exitCode: 0, signal: 15, reason: 'TimeLimit' });
});

test('a restarted operator adopts a running job, with its comment, and can end it', async (t) => {
  const bed = await localBed(t);
  const ref = await bed.submit(
    'vllm.a.b.r0.a1',
    'scontrol update jobid="$SLURM_JOB_ID" comment="marker|phase=ready"',
    'echo $$ >pid; exec sleep 600',
  );
  const pid = await bed.written(ref, 'pid');
  const before = await bed.jobOf(ref);
  await bed.restart();
  assert.equal(isRunning(pid), true);
  assert.deepEqual(await bed.jobOf(ref), before);
  assert.equal(before?.comment, 'marker|phase=ready');
  await bed.slurm().cancel(ref);
  assert.equal((await bed.untilPhase(ref, 'ended')).comment, 'marker|phase=ready');
  await gone(pid);
});

test('a job outlives its operator’s kill -9, and the next operator has it', async (t) => {
  const bed = await localBed(t);
  await bed.restart(async () => {
    const operator = spawn(process.execPath, [OPERATOR, bed.directory], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = await once(operator.stdout, 'data');
    assert.equal(String(said).trim(), '{"ok":true,"value":"1"}');
    operator.kill('SIGKILL');
    await once(operator, 'exit');
  });
  const ref = { id: '1', name: 'vllm.a.b.r0.a1', user: 'me', submitMs: 0 };
  const pid = await bed.written(ref, 'pid');
  assert.deepEqual([(await bed.jobOf(ref))?.state, isRunning(pid)], ['RUNNING', true]);
  await bed.slurm().cancel(ref);
  await bed.untilPhase(ref, 'ended');
  assert.equal(isRunning(pid), false);
});

test('a job that ended while no operator ran is found with its exit code', async (t) => {
  const bed = await localBed(t);
  const ref = await bed.submit('vllm.a.b.r0.a1', 'while [ ! -e go ]; do sleep 0.05; done; exit 5');
  await bed.untilPhase(ref, 'running');
  await bed.restart(async () => {
    writeFileSync(bed.fileOf(ref, 'work/go'), '');
    await bed.lineOf(bed.fileOf(ref, 'exit'));
  });
  assert.deepEqual(await bed.endingOf(ref), { state: 'FAILED', exitCode: 5, signal: 0, reason: 'NonZeroExitCode' });
});

test('a start that was written down and never happened happens after a restart, once', async (t) => {
  const bed = await localBed(t);
  const planted = bed.plantStarted('7', { script: '#!/bin/sh\necho $$ >>runs\nexec sleep 600\n' });
  await bed.restart();
  const runs = await bed.written(planted, 'runs');
  await bed.restart();
  assert.equal((await bed.untilPhase(planted, 'running')).id, '7');
  assert.equal(await bed.written(planted, 'runs'), runs);
  assert.match(runs, /^\d+$/);
});

test('a keeper that is killed takes its job with it', async (t) => {
  const bed = await localBed(t);
  const ref = await bed.submit('vllm.a.b.r0.a1', 'setsid sleep 600 & echo $! >pid; wait');
  const pid = await bed.written(ref, 'pid');
  const [keeper = ''] = (await bed.lineOf(bed.fileOf(ref, 'pid'))).split(' ');
  process.kill(Number(keeper), 'SIGKILL');
  assert.deepEqual(await bed.endingOf(ref), {
    state: 'FAILED',
    exitCode: 0,
    signal: 9,
    reason: 'RaisedSignal:9(Killed)',
  });
  await gone(pid);
});

test('a process that was given a dead keeper’s number is neither taken for it nor touched', async (t) => {
  const bed = await localBed(t);
  const script = '#!/bin/sh\nexit 0\n';
  const planted = bed.plantStarted('7', { script, pid: `${process.pid} 1\n` });
  await bed.restart();
  assert.deepEqual(await bed.endingOf(planted), {
    state: 'FAILED',
    exitCode: 0,
    signal: 9,
    reason: 'RaisedSignal:9(Killed)',
  });
  await bed.slurm().cancel(planted);
});

test('ids are never given twice, not even after the record is gone', async (t) => {
  const bed = await localBed(t, { minJobAgeMs: 0, historyMs: 0 });
  const first = await bed.submit('vllm.a.b.r0.a1', 'exit 0');
  await until('the record is gone', async () => ((await bed.list()).length === 0 ? true : undefined));
  await until('its folder is gone', async () => (existsSync(bed.fileOf(first, 'job.json')) ? undefined : true));
  await bed.restart();
  assert.equal((await bed.submit('vllm.a.b.r0.a2', 'exit 0')).id, String(Number(first.id) + 1));
});

test('a purged job is off the queue, and history still knows how it ended', async (t) => {
  const bed = await localBed(t, { minJobAgeMs: 0 });
  const ref = await bed.submit('vllm.a.b.r0.a1', 'exit 9');
  await until('it is purged', async () => ((await bed.list()).length === 0 ? true : undefined));
  await bed.restart();
  assert.deepEqual(await bed.slurm().describe([ref]), { ok: true, value: [] });
  const known = await bed.slurm().history([ref.name], 0);
  assert.deepEqual(known.ok && known.value.map(({ id, state, exitCode }) => ({ id, state, exitCode })), [
    { id: ref.id, state: 'FAILED', exitCode: 9 },
  ]);
});

test('cancelAll ends the waiting and the running and comes back when no process is left', async (t) => {
  const bed = await localBed(t);
  const running = await bed.submit('vllm.a.b.r0.a1', '#SBATCH --gres=gpu:2', 'echo $$ >pid; exec sleep 600');
  const waiting = await bed.submit('vllm.a.b.r1.a1', '#SBATCH --gres=gpu:2', 'exit 0');
  const pid = await bed.written(running, 'pid');
  assert.deepEqual((await bed.jobOf(waiting))?.reason, 'Resources');
  await bed.slurm().cancelAll();
  assert.deepEqual(
    (await bed.list()).map((job) => job.state),
    ['CANCELLED', 'CANCELLED'],
  );
  assert.equal(isRunning(pid), false);
});
