import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Accounting } from '../../src/slurm/simulated/simulated.ts';
import { deployment } from '../gen/deployment.ts';
import { createScenario, type Scenario } from './scenario.ts';

const MINUTE = 60_000;
const EVERY_CALL = ['listJobs', 'describe', 'history', 'submit', 'cancel', 'nodes'] as const;

async function served(replicas: number, accounting: Accounting = { lagMs: 0 }): Promise<Scenario> {
  const scenario = createScenario({ cluster: { accounting } });
  scenario.apply('chat', deployment({ replicas }));
  scenario.start();
  await scenario.until('chat is ready', () => scenario.isReady('chat'));
  return scenario;
}

const serials = (scenario: Scenario): readonly number[] => scenario.jobs('chat').map(({ job }) => job.serial);
const urls = (scenario: Scenario) =>
  scenario.resource('chat')?.status.endpoints?.map(({ url, ready }) => ({ url, ready }));

for (const fault of [{ kind: 'unreachable' }, { kind: 'unknown' }] as const) {
  test(`SLURM ${fault.kind === 'unknown' ? 'answering only half' : 'out of reach'} for ten minutes changes no job; endpoints stay published`, async () => {
    const scenario = await served(3);
    const before = { serials: serials(scenario), urls: urls(scenario), submits: scenario.asked('submit') };
    scenario.slurmFault({ fault, on: EVERY_CALL, untilMs: scenario.now() + 10 * MINUTE });
    await scenario.advance(9 * MINUTE);
    assert.equal(scenario.condition('chat', 'SlurmReachable')?.status, 'False');
    assert.deepEqual({ serials: serials(scenario), urls: urls(scenario), submits: scenario.asked('submit') }, before);
    assert.ok(scenario.isReady('chat'));
    await scenario.until(
      'SLURM is back',
      () => scenario.condition('chat', 'SlurmReachable')?.status === 'True',
      2 * MINUTE,
    );
    await scenario.advance(10 * MINUTE);
    assert.deepEqual({ serials: serials(scenario), urls: urls(scenario), submits: scenario.asked('submit') }, before);
  });
}

test('an operator that starts while SLURM is silent waits, its endpoints published, and then adopts', async () => {
  const scenario = await served(2);
  const before = serials(scenario);
  const published = urls(scenario);
  scenario.kill();
  scenario.slurmFault({ fault: { kind: 'unreachable' }, on: EVERY_CALL, untilMs: scenario.now() + 5 * MINUTE });
  scenario.start();
  await scenario.advance(4 * MINUTE);
  assert.equal(scenario.condition('chat', 'SlurmReachable')?.status, 'False');
  assert.deepEqual(urls(scenario), published);
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  await scenario.advance(10 * MINUTE);
  assert.deepEqual(serials(scenario), before);
});

test('an endpoint that dies while SLURM is silent is unpublished all the same', async () => {
  const scenario = await served(1);
  scenario.slurmFault({ fault: { kind: 'unreachable' }, on: EVERY_CALL, untilMs: scenario.now() + 10 * MINUTE });
  scenario.cluster.control.hang(serials(scenario)[0] ?? -1);
  await scenario.advance(2 * MINUTE);
  assert.deepEqual(
    { ready: scenario.isReady('chat'), url: scenario.resource('chat')?.status.url, jobs: serials(scenario).length },
    { ready: false, url: undefined, jobs: 1 },
  );
});

test('more than a third of the fleet missing from one listing is not believed, and nothing is lost', async () => {
  const scenario = createScenario({
    tamper(deps) {
      let listings = 0;
      return {
        ...deps,
        slurm: {
          ...deps.slurm,
          async listJobs() {
            const listing = await deps.slurm.listJobs();
            listings += 1;
            const torn = listings >= 20 && listings < 24;
            return listing.ok && torn ? { ok: true, value: { ...listing.value, jobs: [] } } : listing;
          },
        },
      };
    },
  });
  scenario.apply('chat', deployment({ replicas: 3 }));
  scenario.apply('embed', deployment());
  scenario.start();
  await scenario.until('both are ready', () => scenario.isReady('chat') && scenario.isReady('embed'));
  const before = scenario.asked('submit');
  const isSuspect = () => scenario.condition('chat', 'SlurmReachable')?.reason === 'SlurmViewSuspect';
  await scenario.until('the view is suspect', isSuspect);
  await scenario.until('it is believed again', () => !isSuspect());
  await scenario.advance(10 * MINUTE);
  assert.deepEqual(
    { submits: scenario.asked('submit'), cancels: scenario.asked('cancel') },
    { submits: before, cancels: [] },
  );
});

for (const [title, accounting, reason] of [
  ['with accounting, by what accounting says', { lagMs: 0 }, 'OutOfMemory'],
  ['with accounting that lags, by what it says in the end', { lagMs: 30_000 }, 'OutOfMemory'],
  ['without accounting, as vanished', 'off', 'Vanished'],
] as const satisfies readonly (readonly [string, Accounting, string])[]) {
  test(`a job whose record was purged while nobody looked is judged ${title}`, async () => {
    const scenario = await served(1, accounting);
    scenario.kill();
    scenario.cluster.control.killForMemory(serials(scenario)[0] ?? -1);
    await scenario.advance(10 * MINUTE);
    scenario.start();
    await scenario.until(
      'it is judged',
      () => scenario.resource('chat')?.status.lastFailure !== undefined,
      20 * MINUTE,
    );
    assert.equal(scenario.resource('chat')?.status.lastFailure?.reason, reason);
    if (reason === 'Vanished') await scenario.until('it is ready again', () => scenario.isReady('chat'));
    assert.deepEqual(scenario.asked('submit'), reason === 'Vanished' ? ['chat.r0.a1', 'chat.r0.a2'] : ['chat.r0.a1']);
  });
}

test('the network between operator and nodes going down gives nobody up; the endpoints are back with it', async () => {
  const scenario = await served(3);
  const before = serials(scenario);
  scenario.cutNetwork(12 * MINUTE);
  await scenario.advance(10 * MINUTE);
  assert.deepEqual(
    { ready: scenario.isReady('chat'), url: scenario.resource('chat')?.status.url, serials: serials(scenario) },
    { ready: false, url: undefined, serials: before },
  );
  await scenario.until('it is ready again', () => scenario.isReady('chat'), 15 * MINUTE);
  assert.deepEqual(serials(scenario), before);
});

test('an operator that starts while its network is down gives nobody up for that', async () => {
  const scenario = await served(3);
  const before = serials(scenario);
  scenario.kill();
  scenario.cutNetwork(12 * MINUTE);
  scenario.start();
  await scenario.until('it is ready again', () => scenario.isReady('chat'), 15 * MINUTE);
  await scenario.advance(10 * MINUTE);
  assert.deepEqual(serials(scenario), before);
});

test('an operator that starts with SLURM and its network both away gives nobody up when both come back', async () => {
  const scenario = await served(1);
  scenario.apply('slow', deployment({ probes: { liveness: { periodSeconds: 60 } } }));
  await scenario.until('slow is ready', () => scenario.isReady('slow'));
  scenario.kill();
  const backMs = scenario.now() + 10 * MINUTE;
  scenario.cutNetwork(backMs - scenario.now());
  scenario.slurmFault({ fault: { kind: 'unreachable' }, on: EVERY_CALL, untilMs: backMs + 20_000 });
  scenario.start();
  // By then chat is heard again, and slow is not yet asked again.
  await scenario.until('both are ready again', () => scenario.isReady('chat') && scenario.isReady('slow'), 15 * MINUTE);
  assert.deepEqual(scenario.asked('submit'), ['chat.r0.a1', 'slow.r0.a1']);
});

test('an operator that starts while SLURM does not say where its nodes are calls nobody overdue for that', async () => {
  const scenario = createScenario();
  scenario.apply('chat', deployment({ replicas: 2, probes: { startup: { timeoutSeconds: 60 } } }));
  scenario.start();
  await scenario.advance(5_000);
  scenario.kill();
  await scenario.advance(10 * MINUTE);
  scenario.slurmFault({ fault: { kind: 'unreachable' }, on: ['nodes'], untilMs: scenario.now() + 30 * MINUTE });
  scenario.start();
  await scenario.advance(20 * MINUTE);
  assert.equal(scenario.isReady('chat'), false);
  await scenario.until('it is ready', () => scenario.isReady('chat'), 20 * MINUTE);
  assert.deepEqual(scenario.asked('submit'), ['chat.r0.a1', 'chat.r1.a1']);
});

test('a store that does not say what there is when SLURM is back is asked again', async () => {
  const scenario = await served(1);
  scenario.slurmFault({ fault: { kind: 'unreachable' }, on: EVERY_CALL, untilMs: scenario.now() + 2 * MINUTE });
  await scenario.advance(MINUTE);
  scenario.storeFault('list', 'unavailable', 1);
  await scenario.until(
    'SLURM is back',
    () => scenario.condition('chat', 'SlurmReachable')?.status === 'True',
    2 * MINUTE,
  );
});

test('a store that does not answer changes no job, and status is written when it is back', async () => {
  const scenario = await served(2);
  const before = serials(scenario);
  for (const call of ['list', 'get', 'writeStatus'] as const) scenario.storeFault(call, 'unavailable', 30);
  scenario.cluster.control.preempt(before[0] ?? -1);
  await scenario.advance(MINUTE);
  assert.deepEqual(serials(scenario), before.slice(1));
  scenario.heal();
  await scenario.until('it is made up for', () => scenario.isReady('chat') && scenario.jobs('chat').length === 2);
  assert.deepEqual(scenario.asked('submit'), ['chat.r0.a1', 'chat.r1.a1', 'chat.r0.a2']);
});

for (const fault of ['conflict', 'unavailable', 'lost'] as const) {
  test(`writes that end in ${fault} double no job and lose none`, async () => {
    const scenario = createScenario();
    scenario.apply('chat', deployment({ replicas: 2 }));
    scenario.storeFault('addFinalizer', fault, 2);
    scenario.storeFault('writeStatus', fault, 5);
    scenario.start();
    await scenario.until('it is ready', () => scenario.isReady('chat'));
    assert.deepEqual(
      scenario.cluster.inspect.jobs().map(({ name, phase }) => `${name} ${phase}`),
      ['vllm.default.chat.r0.a1 running', 'vllm.default.chat.r1.a1 running'],
    );
    scenario.storeFault('releaseFinalizer', fault, 2);
    scenario.remove('chat');
    await scenario.until('it is gone', () => scenario.resource('chat') === undefined);
  });
}
