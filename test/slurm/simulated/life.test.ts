import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serves, thenExits, thenHangs } from '../../../src/slurm/simulated/behaviour.ts';
import { MARKER, NAME, simulatedBed } from './bed.ts';

const commentOf = (bed: ReturnType<typeof simulatedBed>) => bed.list().then((jobs) => jobs[0]?.comment);

test('a job starts after a second, tells how far it is, and serves', async () => {
  const bed = simulatedBed({ behave: () => serves({ port: 20_001, readyAfterMs: 30_000 }) });
  await bed.submit(NAME);
  assert.deepEqual(await bed.states(), ['1 PENDING None']);
  await bed.clock.advance(2000);
  assert.equal(await commentOf(bed), `${MARKER}|phase=starting|node=node001|port=20001`);
  assert.deepEqual(bed.inspect.serving(), []);
  await bed.clock.advance(1000);
  assert.equal(await commentOf(bed), `${MARKER}|phase=loading|node=node001|port=20001`);
  await bed.clock.advance(28_000);
  assert.equal(await commentOf(bed), `${MARKER}|phase=ready|node=node001|port=20001|after=30`);
  assert.deepEqual(await bed.states(), ['1 RUNNING None']);
  assert.equal(bed.inspect.answering('10.0.0.0', 20_001), bed.inspect.serving()[0]);
});

test('a script that dies leaves its last words and its exit code', async () => {
  const behaviour = serves({ port: 20_001, readyAfterMs: 1000 });
  const bed = simulatedBed({
    behave: () => thenExits(behaviour, 5000, { exitCode: 68 }, { failureClass: 'died', why: 'srun-exit-1' }),
  });
  await bed.submit(NAME);
  const ref = await bed.refTo('1');
  await bed.clock.advance(10_000);
  const words = `${MARKER}|phase=failed|node=node001|port=20001|class=died|code=68|why=srun-exit-1`;
  assert.equal(await commentOf(bed), words);
  assert.deepEqual(await bed.slurm.describe([ref]), {
    ok: true,
    value: [
      {
        id: '1',
        name: NAME,
        submitMs: ref.submitMs,
        state: 'FAILED',
        exitCode: 68,
        signal: 0,
        reason: 'NonZeroExitCode',
        nodes: ['node001'],
        failedNodes: [],
        startMs: ref.submitMs + 1000,
        endMs: ref.submitMs + 6000,
      },
    ],
  });
  assert.deepEqual(bed.inspect.serving(), []);
});

test('a hanging job looks healthy to Slurm and answers nobody', async () => {
  const bed = simulatedBed({ behave: () => thenHangs(serves({ port: 20_001, readyAfterMs: 1000 }), 5000) });
  await bed.submit(NAME);
  await bed.clock.advance(10_000);
  assert.deepEqual(await bed.states(), ['1 RUNNING None']);
  assert.equal(bed.inspect.answering('10.0.0.0', 20_001), undefined);
});

test('a warned job drains and exits 0 before its time limit', async () => {
  const bed = simulatedBed();
  await bed.submit(NAME, '--time=10', '--signal=B:USR1@120');
  await bed.clock.advance(1000 + 480_000);
  assert.match((await commentOf(bed)) ?? '', /\|phase=draining\|/);
  assert.equal(bed.inspect.serving().length, 1);
  await bed.clock.advance(10_000);
  assert.deepEqual(await bed.states(), ['1 COMPLETED None']);
  assert.match((await commentOf(bed)) ?? '', /\|phase=ended\|.*\|class=none\|code=0$/);
});

test('a job that ignores the warning meets its time limit', async () => {
  const bed = simulatedBed({ behave: () => ({ port: 20_001, steps: [], stopMs: 1000 }) });
  await bed.submit(NAME, '--time=10', '--signal=B:USR1@120');
  await bed.clock.advance(601_000);
  assert.deepEqual(await bed.states(), ['1 COMPLETING TimeLimit']);
  await bed.clock.advance(1000);
  assert.deepEqual(await bed.states(), ['1 TIMEOUT TimeLimit']);
});

test('a cancelled job completes for as long as it takes to stop, and its twin starts meanwhile', async () => {
  const bed = simulatedBed({ behave: () => serves({ port: 20_001, stopMs: 4000 }) });
  await bed.submit(NAME, '--dependency=singleton');
  await bed.submit(NAME, '--dependency=singleton');
  await bed.clock.advance(5000);
  assert.deepEqual(await bed.states(), ['1 RUNNING None', '2 PENDING Dependency']);
  await bed.slurm.cancel(await bed.refTo('1'));
  assert.deepEqual(await bed.states(), ['1 COMPLETING None', '2 RUNNING None']);
  await bed.clock.advance(4000);
  assert.deepEqual(await bed.states(), ['1 CANCELLED None', '2 RUNNING None']);
});

test('a stuck node keeps jobs COMPLETING, and their slots with them', async () => {
  const bed = simulatedBed({ nodes: [{ name: 'only', cpus: 8, gpus: 4 }] });
  bed.control.setRules({ completingMs: 60_000 });
  await bed.submit(NAME);
  await bed.clock.advance(2000);
  bed.control.cancel(0);
  await bed.submit('vllm.default.other.r0.a1');
  await bed.clock.advance(30_000);
  assert.deepEqual(await bed.states(), ['1 COMPLETING None', '2 PENDING Resources']);
  await bed.clock.advance(30_000);
  assert.deepEqual(await bed.states(), ['1 CANCELLED None', '2 RUNNING None']);
});

test('the record is gone MinJobAge after the end; accounting still knows', async () => {
  const bed = simulatedBed({ behave: () => thenExits(serves({ port: 20_001 }), 1000, { exitCode: 1 }) });
  await bed.submit(NAME);
  const ref = await bed.refTo('1');
  await bed.clock.advance(301_000);
  assert.deepEqual(await bed.states(), ['1 FAILED NonZeroExitCode']);
  await bed.clock.advance(1000);
  assert.deepEqual(await bed.states(), []);
  assert.deepEqual(await bed.slurm.describe([ref]), { ok: true, value: [] });
  const known = await bed.slurm.history([NAME], ref.submitMs);
  assert.deepEqual(known.ok && known.value.map((one) => `${one.id} ${one.state}`), ['1 FAILED']);
  assert.deepEqual(await bed.slurm.history([NAME], ref.submitMs + 1), { ok: true, value: [] });
});

test('accounting may lag, and may be off', async () => {
  const bed = simulatedBed({
    accounting: { lagMs: 20_000 },
    behave: () => thenExits(serves({ port: 20_001 }), 1000, { exitCode: 1 }),
  });
  await bed.submit(NAME);
  await bed.clock.advance(10_000);
  assert.deepEqual(await bed.slurm.history([NAME], 0), { ok: true, value: [] });
  await bed.clock.advance(12_000);
  const late = await bed.slurm.history([NAME], 0);
  assert.equal(late.ok && late.value.length, 1);
  bed.control.setAccounting('off');
  const off = await bed.slurm.history([NAME], 0);
  assert.equal(!off.ok && off.error.kind, 'rejected');
});

test('a failed node ends its jobs, names itself, and takes no other until it is back', async () => {
  const bed = simulatedBed({ nodes: [{ name: 'only', cpus: 8, gpus: 4 }] });
  await bed.submit(NAME);
  const ref = await bed.refTo('1');
  await bed.clock.advance(60_000);
  bed.control.failNode('only', { detectMs: 30_000, forMs: 90_000 });
  assert.deepEqual([await bed.states(), bed.inspect.serving()], [['1 RUNNING None'], []]);
  await bed.clock.advance(30_000);
  const ended = await bed.slurm.describe([ref]);
  assert.deepEqual(ended.ok && ended.value.map((one) => [one.state, one.failedNodes]), [['NODE_FAIL', ['only']]]);
  await bed.submit('vllm.default.other.r0.a1');
  await bed.clock.advance(30_000);
  const nodes = await bed.slurm.nodes();
  assert.deepEqual(nodes.ok && nodes.value, [{ name: 'only', address: '10.0.0.0', state: 'down' }]);
  assert.match((await bed.states())[1] ?? '', /^2 PENDING Nodes required for job are DOWN/);
  await bed.clock.advance(30_000);
  assert.match((await bed.states())[1] ?? '', /^2 RUNNING/);
});

test('a process left on a lost node answers when the node is back, though its job is over', async () => {
  const bed = simulatedBed({ behave: () => serves({ port: 20_001 }) });
  await bed.submit(NAME);
  await bed.clock.advance(60_000);
  bed.control.failNode('node001', { forMs: 20_000, ghostMs: 82_000 });
  assert.equal(bed.inspect.answering('10.0.0.0', 20_001), undefined);
  await bed.clock.advance(20_000);
  assert.equal(bed.inspect.answering('10.0.0.0', 20_001)?.ending?.state, 'NODE_FAIL');
  assert.deepEqual(bed.inspect.serving(), []);
  await bed.clock.advance(62_000);
  assert.equal(bed.inspect.answering('10.0.0.0', 20_001), undefined);
});

test('preemption, want of memory and a stranger’s scancel each end a job with Slurm’s word', async () => {
  const bed = simulatedBed();
  for (const attempt of [1, 2, 3]) await bed.submit(`vllm.default.llama.r0.a${attempt}`);
  await bed.clock.advance(5000);
  bed.control.preempt(0);
  bed.control.killForMemory(1);
  bed.control.cancel(2);
  await bed.clock.advance(5000);
  assert.deepEqual(await bed.states(), ['1 PREEMPTED None', '2 OUT_OF_MEMORY OutOfMemory', '3 CANCELLED None']);
});

test('a requeued job keeps its id, changes its submit time and waits two minutes', async () => {
  const bed = simulatedBed();
  await bed.submit(NAME);
  const before = await bed.refTo('1');
  await bed.clock.advance(60_000);
  bed.control.requeue(0);
  assert.deepEqual(await bed.states(), ['1 PENDING BeginTime']);
  assert.equal((await bed.refTo('1')).submitMs, before.submitMs + 60_000);
  await bed.clock.advance(121_000);
  assert.deepEqual(await bed.states(), ['1 RUNNING None']);
});

test('while the cluster holds jobs back they wait with its reason', async () => {
  const bed = simulatedBed();
  bed.control.setRules({ hold: 'QOSGrpNodeLimit' });
  await bed.submit(NAME);
  await bed.clock.advance(5000);
  assert.deepEqual(await bed.states(), ['1 PENDING QOSGrpNodeLimit']);
  bed.control.setRules({ hold: undefined });
  assert.deepEqual(await bed.states(), ['1 RUNNING None']);
});

test('ids begin again after the last, past those still in use', async () => {
  const bed = simulatedBed({ firstId: 1, lastId: 3 });
  for (const attempt of [1, 2, 3]) await bed.submit(`vllm.default.llama.r0.a${attempt}`);
  await bed.clock.advance(2000);
  bed.control.cancel(1);
  await bed.clock.advance(400_000);
  assert.equal(await bed.submit('vllm.default.llama.r0.a4'), '2');
});

test('a listing shows our user’s look-alikes and nobody else’s jobs; cancel leaves the others alone', async () => {
  const bed = simulatedBed();
  const lookAlike = bed.control.addForeignJob({ name: NAME, comment: 'my own' });
  const stranger = bed.control.addForeignJob({ name: NAME, user: 'somebody', comment: MARKER });
  bed.control.addForeignJob({ name: 'notebook' });
  await bed.clock.advance(5000);
  assert.deepEqual(
    (await bed.list()).map(({ id, name, user, comment }) => ({ id, name, user, comment })),
    [{ id: lookAlike.id, name: NAME, user: 'vllm', comment: 'my own' }],
  );
  await bed.slurm.cancel(stranger);
  await bed.slurm.cancel({ ...lookAlike, name: 'vllm.default.llama.r0.a2' });
  assert.equal(bed.inspect.jobs().filter((job) => job.phase === 'running').length, 3);
});
