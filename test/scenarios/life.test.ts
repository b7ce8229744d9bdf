import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serves } from '../../src/slurm/simulated/behaviour.ts';
import { deployment } from '../gen/deployment.ts';
import { createScenario, type Scenario } from './scenario.ts';

const MINUTE = 60_000;

/** A fleet of one deployment, up. */
async function served(replicas: number): Promise<Scenario> {
  const scenario = createScenario();
  scenario.apply('chat', deployment({ replicas }));
  scenario.start();
  await scenario.until('chat is ready', () => scenario.isReady('chat'));
  return scenario;
}

/** Which attempt of which replica answers: `r0.a1`. */
function serving(scenario: Scenario): readonly string[] {
  const jobs = scenario.jobs('chat').filter(({ job }) => scenario.truth.trace(job).servingSinceMs !== undefined);
  return jobs.map(({ identity }) => `r${identity.replica}.a${identity.attempt}`);
}

test('two deployments come up, one with three replicas, and nothing is written in an idle hour', async () => {
  const scenario = createScenario();
  scenario.apply('chat', deployment({ replicas: 3 }));
  scenario.apply('embed', deployment());
  scenario.start();
  await scenario.until('both are ready', () => scenario.isReady('chat') && scenario.isReady('embed'));
  assert.deepEqual(
    scenario.resource('chat')?.status.endpoints?.map(({ replica, role, ready }) => ({ replica, role, ready })),
    [0, 1, 2].map((replica) => ({ replica, role: 'Serving', ready: true })),
  );
  const before = { writes: scenario.writes(), submits: scenario.asked('submit'), cancels: scenario.asked('cancel') };
  await scenario.advance(60 * MINUTE);
  assert.deepEqual(
    { writes: scenario.writes(), submits: scenario.asked('submit'), cancels: scenario.asked('cancel') },
    { ...before, submits: ['chat.r0.a1', 'chat.r1.a1', 'chat.r2.a1', 'embed.r0.a1'], cancels: [] },
  );
});

test('a job that takes long to load is not given up the moment it says that it is ready', async () => {
  const scenario = createScenario({ cluster: { behave: () => serves({ port: 20_000, readyAfterMs: 612_000 }) } });
  scenario.apply('chat', deployment());
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'), 700_000);
  assert.deepEqual(scenario.asked('submit'), ['chat.r0.a1']);
});

test('an edit replaces one serving replica at a time, and the next when the first serves again', async () => {
  const scenario = await served(3);
  scenario.edit('chat', { engine: { maxModelLen: 4096 } });
  const seen: string[] = [];
  await scenario.until('all are replaced', () => {
    const now = serving(scenario).join(' ');
    if (now !== seen.at(-1)) seen.push(now);
    return now === 'r0.a2 r1.a2 r2.a2';
  });
  assert.deepEqual(seen, [
    'r1.a1 r2.a1',
    'r0.a2 r1.a1 r2.a1',
    'r0.a2 r2.a1',
    'r0.a2 r1.a2 r2.a1',
    'r0.a2 r1.a2',
    'r0.a2 r1.a2 r2.a2',
  ]);
});

test('an edit that does not come up costs one replica, and its correction brings it back', async () => {
  const scenario = await served(3);
  scenario.cluster.control.setBehaviour(() => ({
    port: 0,
    stopMs: 0,
    steps: [
      { afterMs: 1_000, does: 'report', report: { phase: 'failed', failureClass: 'config', code: 64 } },
      { afterMs: 1_000, does: 'exit', ending: { exitCode: 64 } },
    ],
  }));
  scenario.edit('chat', { engine: { quantization: 'nonsense' } });
  await scenario.advance(30 * MINUTE);
  assert.deepEqual(serving(scenario), ['r1.a1', 'r2.a1']);
  assert.equal(scenario.condition('chat', 'Stalled')?.reason, 'Misconfigured');
  scenario.cluster.control.setBehaviour(({ serial }) => serves({ port: 20_100 + serial }));
  scenario.edit('chat', { engine: {} });
  await scenario.until('it is as before', () => scenario.isReady('chat'));
  assert.deepEqual(serving(scenario), ['r0.a3', 'r1.a1', 'r2.a1']);
});

test('an invalid edit leaves the last good spec serving and says what is wrong', async () => {
  const scenario = await served(2);
  scenario.apply('chat', { model: { uri: 'hf://org/model' }, replicas: 'two' });
  await scenario.advance(10 * MINUTE);
  assert.deepEqual(serving(scenario), ['r0.a1', 'r1.a1']);
  const { status = '', reason = '', message = '' } = scenario.condition('chat', 'Ready') ?? {};
  assert.deepEqual({ status, reason }, { status: 'False', reason: 'InvalidSpec' });
  assert.match(message, /spec\.replicas/);
  scenario.apply('chat', deployment({ replicas: 2 }));
  await scenario.until('it is ready again', () => scenario.isReady('chat'));
  assert.deepEqual(scenario.asked('submit'), ['chat.r0.a1', 'chat.r1.a1']);
});

test('scaling down takes the replica that does not serve, scaling up numbers its attempts on', async () => {
  const scenario = await served(3);
  const [, second] = scenario.jobs('chat');
  scenario.cluster.control.end(second?.job.serial ?? -1, {
    state: 'FAILED',
    exitCode: 1,
    signal: 0,
    reason: 'NonZeroExitCode',
    failedNodes: [],
  });
  await scenario.until('it is missed', () => !scenario.isReady('chat'));
  scenario.edit('chat', { replicas: 2 });
  await scenario.until('two are left', () => scenario.isReady('chat'));
  await scenario.advance(5 * MINUTE);
  assert.deepEqual(serving(scenario), ['r0.a1', 'r2.a1']);
  scenario.edit('chat', { replicas: 3 });
  await scenario.until('three serve', () => scenario.isReady('chat'));
  const [, refilled] = scenario.jobs('chat');
  assert.equal(refilled?.identity.replica, 1);
  assert.ok((refilled?.identity.attempt ?? 0) > 1);
});

test('to zero and back: no job is left, and none is an error', async () => {
  const scenario = await served(2);
  scenario.edit('chat', { replicas: 0 });
  await scenario.until('none lives', () => scenario.jobs('chat').length === 0);
  await scenario.advance(MINUTE);
  assert.equal(scenario.condition('chat', 'Ready')?.reason, 'ScaledToZero');
  scenario.edit('chat', { replicas: 1 });
  await scenario.until('one serves', () => scenario.isReady('chat'));
  assert.deepEqual(serving(scenario), ['r0.a2']);
});

test('suspending ends every job and keeps the resource, resuming brings them back', async () => {
  const scenario = await served(2);
  scenario.edit('chat', { suspend: true });
  await scenario.until('none lives', () => scenario.jobs('chat').length === 0);
  await scenario.advance(10 * MINUTE);
  assert.deepEqual(
    { phase: scenario.resource('chat')?.status.phase, submits: scenario.asked('submit') },
    { phase: 'Suspended', submits: ['chat.r0.a1', 'chat.r1.a1'] },
  );
  scenario.edit('chat', { suspend: false });
  await scenario.until('it is ready again', () => scenario.isReady('chat'));
  assert.deepEqual(serving(scenario), ['r0.a2', 'r1.a2']);
});

test('a deleted deployment is gone when its last job is, and no sooner', async () => {
  const scenario = await served(2);
  scenario.cluster.control.setRules({ completingMs: 90_000 });
  scenario.remove('chat');
  await scenario.advance(80_000);
  assert.equal(scenario.resource('chat')?.status.phase, 'Deleting');
  await scenario.until('it is gone', () => scenario.resource('chat') === undefined, 2 * MINUTE);
  assert.deepEqual(scenario.jobs('chat'), []);
});

test('a deployment made anew under the name of one that is still going gets jobs of its own', async () => {
  const scenario = await served(1);
  const old = scenario.resource('chat')?.uid;
  scenario.remove('chat');
  scenario.apply('chat', deployment({ replicas: 2 }));
  await scenario.until('the new one serves', () => scenario.resource('chat')?.uid !== old && scenario.isReady('chat'));
  assert.deepEqual(serving(scenario), ['r0.a1', 'r1.a1']);
  assert.deepEqual(new Set(scenario.jobs('chat').map(({ identity }) => identity.uid)).size, 1);
});
