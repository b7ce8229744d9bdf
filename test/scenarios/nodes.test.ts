import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { type Behaviour, serves, thenExits } from '../../src/slurm/simulated/behaviour.ts';
import { nodesOf } from '../../src/slurm/simulated/world.ts';
import { deployment } from '../gen/deployment.ts';
import { createScenario, type Scenario } from './scenario.ts';

const MINUTE = 60_000;
const TWO_NODES = deployment({ resources: { nodes: 2 } });

/** A replica over node001 and node002; its first job goes the given way, those after it serve. */
function started(behaviour: Behaviour, log?: string): Scenario {
  const behave = ({ serial }: { readonly serial: number }) =>
    serial === 0 ? behaviour : serves({ port: 20_100 + serial });
  const scenario = createScenario({ cluster: { behave }, ...(log !== undefined && { tail: async () => log }) });
  scenario.apply('chat', TWO_NODES);
  scenario.start();
  return scenario;
}

const exits = (exitCode: number, failureClass: string, why: string, afterMs = MINUTE): Behaviour =>
  thenExits(serves({ port: 20_000 }), afterMs, { exitCode }, { failureClass, why });

const status = (scenario: Scenario) => scenario.resource('chat')?.status;
const excluded = (scenario: Scenario) => (status(scenario)?.excludedNodes ?? []).map(({ name }) => name).sort();
const live = (scenario: Scenario) =>
  scenario.jobs('chat').map(({ identity, job }) => ({ attempt: identity.attempt, nodes: nodesOf(job) }));

type Row = {
  readonly fault: string;
  readonly behaviour: Behaviour;
  readonly log?: string;
  readonly reason: string;
  readonly node?: string;
  readonly excluded: readonly string[];
  /** Where the next attempt runs; undefined: there is none. */
  readonly next: readonly string[] | undefined;
};

const ROWS: readonly Row[] = [
  {
    fault: 'a rank that dies',
    behaviour: exits(68, 'died', 'engine-exit-137:node002'),
    log: 'ERROR Worker proc VllmWorker-1 died unexpectedly (exit code: -9), shutting down executor.',
    reason: 'EngineFailed',
    node: 'node002',
    excluded: [],
    next: ['node001', 'node002'],
  },
  {
    fault: 'a node that is lost',
    behaviour: exits(67, 'node', 'lost:node002'),
    reason: 'NodeFailed',
    node: 'node002',
    excluded: ['node002'],
    next: ['node001', 'node003'],
  },
  {
    fault: 'a rank that cannot be woken',
    behaviour: exits(69, 'hang', 'stuck:node002'),
    reason: 'EngineHung',
    node: 'node002',
    excluded: ['node002'],
    next: ['node001', 'node003'],
  },
  {
    fault: 'nodes that do not reach one another, whoever of the two it is',
    behaviour: exits(75, 'peer', 'peer-unreachable:node002', 5_000),
    reason: 'CommunicationFailed',
    node: 'node001',
    excluded: ['node001', 'node002'],
    next: ['node003', 'node004'],
  },
  {
    fault: 'a rank that never joins',
    behaviour: exits(65, 'start', 'rendezvous-timeout', 5_000),
    reason: 'CommunicationFailed',
    excluded: [],
    next: ['node001', 'node002'],
  },
  {
    fault: 'a cache that one node cannot write',
    behaviour: exits(72, 'cache', 'cache-not-writable:node002', 5_000),
    reason: 'NodeFailed',
    node: 'node002',
    excluded: ['node002'],
    next: ['node001', 'node003'],
  },
  {
    fault: 'a cache that no node can write',
    behaviour: exits(72, 'cache', 'cache-not-writable:node001,node002', 5_000),
    reason: 'Misconfigured',
    node: 'node001',
    excluded: [],
    next: undefined,
  },
  {
    fault: 'a model that the hub does not have',
    behaviour: exits(73, 'model', 'model-not-on-hub:node001', 5_000),
    reason: 'Misconfigured',
    node: 'node001',
    excluded: [],
    next: undefined,
  },
  {
    fault: 'a gated model',
    behaviour: exits(76, 'denied', 'hub-denied:node001', 5_000),
    reason: 'Misconfigured',
    node: 'node001',
    excluded: [],
    next: undefined,
  },
];

describe('a replica over two nodes', () => {
  for (const { fault, behaviour, log, reason, node, excluded: kept, next } of ROWS) {
    it(`and ${fault}: ${reason}, ${next ? `again on ${next.join(' and ')}` : 'held'}`, async () => {
      const scenario = started(behaviour, log);
      await scenario.until('it is judged', () => status(scenario)?.lastFailure !== undefined, 3 * MINUTE);
      const { lastFailure: failure } = status(scenario) ?? {};
      assert.deepEqual(
        { reason: failure?.reason, node: failure?.node, excluded: excluded(scenario) },
        { reason, node, excluded: kept },
      );
      await scenario.advance(10 * MINUTE);
      assert.deepEqual(
        {
          live: live(scenario),
          ready: scenario.isReady('chat'),
          stalled: scenario.condition('chat', 'Stalled')?.reason,
        },
        next
          ? { live: [{ attempt: 2, nodes: next }], ready: true, stalled: undefined }
          : { live: [], ready: false, stalled: reason },
      );
    });
  }

  it('that was held because of the hub is tried again as soon as it has a token', async () => {
    const scenario = started(exits(76, 'denied', 'hub-denied:node001', 5_000));
    await scenario.until('it is held', () => scenario.condition('chat', 'Stalled') !== undefined);
    assert.match(scenario.condition('chat', 'Stalled')?.message ?? '', /set spec\.model\.tokenFrom/);
    scenario.secret('HF_TOKEN', 'hf_0123456789');
    scenario.edit('chat', { model: { uri: 'hf://org/model', tokenFrom: { env: 'HF_TOKEN' } } });
    await scenario.until('it is ready', () => scenario.isReady('chat'));
  });
});

test('the next attempt does not wait until a lost node is cleaned up, and never do two serve', async () => {
  const scenario = started(exits(67, 'node', 'lost:node002'));
  scenario.cluster.control.setRules({ completingMs: 5 * MINUTE });
  const next = () => scenario.jobs('chat').find(({ identity }) => identity.attempt === 2)?.job;
  await scenario.until('the first is judged', () => next() !== undefined, 2 * MINUTE);
  await scenario.until('the second serves', () => scenario.isReady('chat'), 2 * MINUTE);
  assert.deepEqual(
    scenario.jobs('chat').map(({ job }) => ({ phase: job.phase, nodes: nodesOf(job) })),
    [
      { phase: 'completing', nodes: ['node001', 'node002'] },
      { phase: 'running', nodes: ['node001', 'node003'] },
    ],
  );
  await scenario.advance(6 * MINUTE);
  assert.deepEqual(live(scenario), [{ attempt: 2, nodes: ['node001', 'node003'] }]);
});

test('the log is read while the nodes are still cleaned up: the person hears the cause at once', async () => {
  const line = 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.';
  const scenario = started(exits(64, 'config', 'engine-exit-1:node001', 5_000), `loading\n${line}\n`);
  scenario.cluster.control.setRules({ completingMs: 5 * MINUTE });
  await scenario.until('it is held', () => scenario.condition('chat', 'Stalled') !== undefined, MINUTE);
  const { reason, message = '' } = scenario.condition('chat', 'Stalled') ?? {};
  assert.deepEqual(
    { reason, says: message.includes(line), advises: message.includes('spec.engine.maxModelLen') },
    { reason: 'OutOfMemory', says: true, advises: true },
  );
  assert.deepEqual(
    scenario.jobs('chat').map(({ job }) => job.phase),
    ['completing'],
  );
});

test('a job that drained is no failure of its engine while its nodes are still cleaned up', async () => {
  const drains = thenExits(serves({ port: 20_000 }), MINUTE, { exitCode: 0 }, { failureClass: 'none', why: 'drained' });
  const scenario = started(drains);
  scenario.cluster.control.setRules({ completingMs: 5 * MINUTE });
  await scenario.until('it is judged', () => status(scenario)?.lastFailure !== undefined, 3 * MINUTE);
  assert.deepEqual(
    { reason: status(scenario)?.lastFailure?.reason, failures: status(scenario)?.records?.[0]?.failures.length },
    { reason: 'Ended', failures: 1 },
  );
});

test('a replica that falls silent without a word is laid to the node that should have answered', async () => {
  const scenario = started(serves({ port: 20_000 }));
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  scenario.cluster.control.hang(0);
  await scenario.until('it is judged', () => status(scenario)?.lastFailure !== undefined, 5 * MINUTE);
  const { reason, node } = status(scenario)?.lastFailure ?? {};
  assert.deepEqual(
    { reason, node, excluded: excluded(scenario) },
    { reason: 'Unresponsive', node: 'node001', excluded: ['node001'] },
  );
  await scenario.until('it serves elsewhere', () => scenario.isReady('chat'), 5 * MINUTE);
  assert.deepEqual(live(scenario), [{ attempt: 2, nodes: ['node002', 'node003'] }]);
});

test('the next attempt does not wait until a node that fell silent is cleaned up', async () => {
  const scenario = started(serves({ port: 20_000 }));
  scenario.cluster.control.setRules({ completingMs: 5 * MINUTE });
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  scenario.cluster.control.hang(0);
  await scenario.until('the next is submitted', () => scenario.asked('submit').includes('chat.r0.a2'), 2 * MINUTE);
  await scenario.until('it serves elsewhere', () => scenario.isReady('chat'), MINUTE);
  assert.deepEqual(
    scenario.jobs('chat').map(({ job }) => ({ phase: job.phase, nodes: nodesOf(job) })),
    [
      { phase: 'completing', nodes: ['node001', 'node002'] },
      { phase: 'running', nodes: ['node002', 'node003'] },
    ],
  );
  await scenario.advance(6 * MINUTE);
  assert.deepEqual(live(scenario), [{ attempt: 2, nodes: ['node002', 'node003'] }]);
});

for (const namesFailedNodes of [true, false]) {
  test(`of two nodes SLURM gives up one, and ${namesFailedNodes ? 'names it' : 'does not say which'}: the other stays welcome`, async () => {
    const scenario = started(serves({ port: 20_000 }));
    scenario.cluster.control.setRules({ namesFailedNodes });
    await scenario.until('it is ready', () => scenario.isReady('chat'));
    scenario.cluster.control.failNode('node002', { forMs: 2 * MINUTE });
    await scenario.until('it is judged', () => status(scenario)?.lastFailure !== undefined, 3 * MINUTE);
    const { reason, node } = status(scenario)?.lastFailure ?? {};
    assert.equal(reason, 'NodeFailed');
    if (namesFailedNodes)
      assert.deepEqual({ node, excluded: excluded(scenario) }, { node: 'node002', excluded: ['node002'] });
    assert.ok(!excluded(scenario).includes('node001'));
    await scenario.until('it serves without it', () => scenario.isReady('chat'), 5 * MINUTE);
    assert.deepEqual(live(scenario), [{ attempt: 2, nodes: ['node001', 'node003'] }]);
  });
}
