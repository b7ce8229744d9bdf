import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Effect } from '../../src/slurm/simulated/faults.ts';
import { deployment } from '../gen/deployment.ts';
import { createScenario, type Scenario } from './scenario.ts';

const MINUTE = 60_000;

/** The first submission of the only replica meets a fault. */
function submitting(fault: Parameters<Scenario['slurmFault']>[0]['fault'], times = 1): Scenario {
  const scenario = createScenario();
  scenario.apply('chat', deployment());
  scenario.slurmFault({ fault, on: ['submit'], times });
  scenario.start();
  return scenario;
}

/** Everything that ever ran, as `r0.a1`, and how it stands now. */
function everything(scenario: Scenario): readonly string[] {
  return scenario.cluster.inspect
    .jobs()
    .map(({ name, phase, ending }) => `${name.replace('vllm.default.chat.', '')} ${ending?.state ?? phase}`);
}

for (const [title, effect] of [
  ['at once', 'now'],
  ['half a minute later', { afterMs: 30_000 }],
  ['at the last moment', { afterMs: 59_000 }],
] as const satisfies readonly (readonly [string, Effect])[]) {
  test(`a submission whose answer is lost, and which lands ${title}, gives exactly one job`, async () => {
    const scenario = submitting({ kind: 'unknown', effect });
    await scenario.advance(0);
    assert.equal(scenario.condition('chat', 'Ready')?.reason, 'SubmissionInDoubt');
    await scenario.until('it is ready', () => scenario.isReady('chat'));
    await scenario.advance(10 * MINUTE);
    assert.deepEqual(everything(scenario), ['r0.a1 running']);
    assert.deepEqual(scenario.asked('submit'), ['chat.r0.a1']);
  });
}

test('a submission whose answer is lost, and which never lands, is tried again under the same name', async () => {
  const scenario = submitting({ kind: 'unknown', effect: 'none' });
  await scenario.advance(55_000);
  assert.deepEqual(scenario.asked('submit'), ['chat.r0.a1']);
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  assert.deepEqual(everything(scenario), ['r0.a1 running']);
  assert.deepEqual(scenario.asked('submit'), ['chat.r0.a1', 'chat.r0.a1']);
});

test('a submission that lands later than anybody can wait makes a twin, which waits and is cancelled', async () => {
  const scenario = submitting({ kind: 'unknown', effect: { afterMs: 150_000 } });
  await scenario.until('the twin is there', () => scenario.jobs('chat').length === 2);
  const [, twin] = scenario.jobs('chat');
  await scenario.until('the twin is gone', () => scenario.jobs('chat').length === 1);
  await scenario.advance(10 * MINUTE);
  assert.deepEqual(everything(scenario), ['r0.a1 running', 'r0.a1 CANCELLED']);
  const ended = scenario.cluster.inspect.jobs().find(({ serial }) => serial === twin?.job.serial);
  assert.equal(ended?.startMs, undefined, 'it never started');
  assert.ok(scenario.isReady('chat'));
});

test('a submission acknowledged and then lost with slurmctld is made again, though its id is another job by now', async () => {
  const scenario = submitting({ kind: 'lost' });
  await scenario.advance(1_000);
  const stranger = scenario.cluster.control.addForeignJob({ name: 'training' });
  assert.equal(stranger.id, scenario.resource('chat')?.status.records?.[0]?.jobId);
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  await scenario.advance(10 * MINUTE);
  assert.deepEqual(everything(scenario), ['training running', 'r0.a1 running']);
});

test('a running job lost in a crash of slurmctld is replaced, and the heir of its id is left alone', async () => {
  const scenario = createScenario();
  scenario.apply('chat', deployment());
  scenario.start();
  await scenario.advance(3_000);
  scenario.crashController(5_000);
  const heir = scenario.cluster.control.addForeignJob({ name: 'vllm.default.chat.r0.a9' });
  await scenario.until('it is ready', () => scenario.isReady('chat'), 20 * MINUTE);
  assert.equal(heir.id, '1');
  assert.deepEqual(everything(scenario).slice(1), ['r0.a9 running', 'r0.a2 running']);
});

test('a submission that does not arrive is tried again in a quarter of a minute, and is no failure', async () => {
  const scenario = submitting({ kind: 'unreachable' }, 3);
  await scenario.advance(5_000);
  assert.equal(scenario.condition('chat', 'Ready')?.reason, 'SlurmUnreachable');
  await scenario.until('it is ready', () => scenario.isReady('chat'), 2 * MINUTE);
  assert.deepEqual(everything(scenario), ['r0.a1 running']);
  assert.deepEqual(scenario.resource('chat')?.status.records?.[0]?.failures, []);
});

test('what sbatch refuses is told in its words, is tried again slowly, and at once after an edit', async () => {
  const words = 'Batch job submission failed: Invalid account or account/partition combination specified';
  const scenario = submitting({ kind: 'rejected', message: words }, 100);
  await scenario.advance(60 * MINUTE);
  const stalled = scenario.condition('chat', 'Stalled');
  assert.deepEqual(
    { status: stalled?.status, reason: stalled?.reason, words: stalled?.message.includes(words) },
    { status: 'True', reason: 'SubmissionRejected', words: true },
  );
  const refused = scenario.asked('submit');
  assert.ok(refused.length >= 4 && refused.length <= 7, `${refused.length} tries in an hour`);
  assert.deepEqual(new Set(refused), new Set(['chat.r0.a1']));
  scenario.heal();
  scenario.edit('chat', { slurm: { account: 'mine' } });
  await scenario.until('it is ready', () => scenario.isReady('chat'), 2 * MINUTE);
  assert.equal(scenario.condition('chat', 'Stalled'), undefined);
});

test('a full queue is waited for, with backoff and without blame', async () => {
  const scenario = submitting(
    { kind: 'rejected', message: 'Batch job submission failed: QOSMaxSubmitJobPerUserLimit' },
    4,
  );
  await scenario.advance(5_000);
  assert.equal(scenario.condition('chat', 'Ready')?.reason, 'SubmitLimitReached');
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  assert.deepEqual(everything(scenario), ['r0.a1 running']);
});

test('a job that can never start is said so, and is left in the queue for the day it can', async () => {
  const scenario = createScenario();
  scenario.cluster.control.setRules({ hold: 'PartitionDown' });
  scenario.apply('chat', deployment());
  scenario.start();
  await scenario.advance(MINUTE / 2);
  assert.equal(scenario.condition('chat', 'Ready')?.reason, 'Queued');
  await scenario.advance(60 * MINUTE);
  const stalled = scenario.condition('chat', 'Stalled');
  assert.deepEqual([stalled?.status, stalled?.reason], ['True', 'QueuedForever']);
  assert.match(stalled?.message ?? '', /partition is closed/i);
  scenario.cluster.control.setRules({ hold: undefined });
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  assert.deepEqual(everything(scenario), ['r0.a1 running']);
});

test('a cancel that is acknowledged and lost is given again', async () => {
  const scenario = createScenario();
  scenario.apply('chat', deployment({ replicas: 2 }));
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  scenario.slurmFault({ fault: { kind: 'lost' }, on: ['cancel'], times: 3 });
  scenario.edit('chat', { replicas: 1 });
  await scenario.until('one is left', () => scenario.jobs('chat').length === 1, 2 * MINUTE);
  assert.deepEqual(everything(scenario), ['r0.a1 running', 'r1.a1 CANCELLED']);
});
