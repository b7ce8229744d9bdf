import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import type { EndState } from '../../src/slurm/job.ts';
import { type Behaviour, type ScriptEnd, serves, thenExits } from '../../src/slurm/simulated/behaviour.ts';
import { deployment } from '../gen/deployment.ts';
import { createScenario, type Scenario, type ScenarioOptions } from './scenario.ts';

const MINUTE = 60_000;

/** The first job of the only replica goes the given way; those after it serve. */
function first(behaviour: Behaviour, options: ScenarioOptions = {}): ScenarioOptions {
  const behave = ({ serial }: { readonly serial: number }) =>
    serial === 0 ? behaviour : serves({ port: 20_100 + serial });
  return { ...options, cluster: { behave, ...options.cluster } };
}

function exits(exitCode: number, failureClass: string, end: Partial<ScriptEnd> = {}): Behaviour {
  return thenExits(serves({ port: 20_000 }), 60_000, { exitCode, ...end }, { failureClass });
}

function started(options: ScenarioOptions = {}, spec: Parameters<typeof deployment>[0] = {}): Scenario {
  const scenario = createScenario(options);
  scenario.apply('chat', deployment(spec));
  scenario.start();
  return scenario;
}

const attempts = (scenario: Scenario): readonly number[] =>
  scenario.jobs('chat').map(({ identity }) => identity.attempt);
const spending = (scenario: Scenario): number =>
  scenario.resource('chat')?.status.records?.[0]?.failures.filter(({ spends }) => spends).length ?? 0;

type Row = {
  readonly end: string;
  readonly behaviour: Behaviour;
  readonly reason: string;
  readonly spends: boolean;
  readonly operator: 'resubmits' | 'holds';
  /** What the last lines of the log say. */
  readonly log?: string;
};
const slurmEnds = (state: EndState, reason = 'None'): Behaviour =>
  thenExits(serves({ port: 20_000 }), 60_000, { state, exitCode: 0, signal: 15, reason });

const ROWS: readonly Row[] = [
  {
    end: 'TIMEOUT',
    behaviour: slurmEnds('TIMEOUT', 'TimeLimit'),
    reason: 'WalltimeReached',
    spends: false,
    operator: 'resubmits',
  },
  {
    end: 'DEADLINE',
    behaviour: slurmEnds('DEADLINE'),
    reason: 'WalltimeReached',
    spends: false,
    operator: 'resubmits',
  },
  { end: 'PREEMPTED', behaviour: slurmEnds('PREEMPTED'), reason: 'Preempted', spends: false, operator: 'resubmits' },
  {
    end: 'NODE_FAIL',
    behaviour: slurmEnds('NODE_FAIL', 'NodeDown'),
    reason: 'NodeFailed',
    spends: false,
    operator: 'resubmits',
  },
  { end: 'BOOT_FAIL', behaviour: slurmEnds('BOOT_FAIL'), reason: 'NodeFailed', spends: false, operator: 'resubmits' },
  {
    end: 'OUT_OF_MEMORY',
    behaviour: slurmEnds('OUT_OF_MEMORY'),
    reason: 'OutOfMemory',
    spends: true,
    operator: 'holds',
  },
  {
    end: 'CUDA out of memory',
    behaviour: exits(64, 'config'),
    log: 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.',
    reason: 'OutOfMemory',
    spends: true,
    operator: 'holds',
  },
  { end: 'exit 64', behaviour: exits(64, 'config'), reason: 'Misconfigured', spends: true, operator: 'holds' },
  { end: 'exit 66', behaviour: exits(66, 'port'), reason: 'PortInUse', spends: false, operator: 'resubmits' },
  { end: 'exit 67', behaviour: exits(67, 'node'), reason: 'NodeFailed', spends: false, operator: 'resubmits' },
  { end: 'exit 68', behaviour: exits(68, 'died'), reason: 'EngineFailed', spends: true, operator: 'resubmits' },
  { end: 'exit 69', behaviour: exits(69, 'hang'), reason: 'EngineHung', spends: true, operator: 'resubmits' },
  { end: 'exit 70', behaviour: exits(70, 'slow'), reason: 'StartupTimeout', spends: true, operator: 'resubmits' },
  { end: 'exit 1', behaviour: exits(1, 'start'), reason: 'EngineFailed', spends: true, operator: 'resubmits' },
  { end: 'exit 0 after a drain', behaviour: exits(0, 'none'), reason: 'Ended', spends: false, operator: 'resubmits' },
  {
    end: 'a scancel by hand',
    behaviour: slurmEnds('CANCELLED'),
    reason: 'CancelledExternally',
    spends: false,
    operator: 'resubmits',
  },
];

describe('a job that ends', () => {
  for (const { end, behaviour, reason, spends, operator, log } of ROWS) {
    it(`by ${end} is ${reason}, ${spends ? 'spends the budget' : 'costs nothing'}, and the operator ${operator}`, async () => {
      const scenario = started(first(behaviour, log === undefined ? {} : { tail: async () => log }));
      const failure = () => scenario.resource('chat')?.status.lastFailure;
      await scenario.until('it is judged', () => failure() !== undefined, 3 * MINUTE);
      const judged = { reason: failure()?.reason, attempt: failure()?.attempt, spends: spending(scenario) };
      assert.deepEqual(judged, { reason, attempt: 1, spends: spends ? 1 : 0 });
      await scenario.advance(30 * MINUTE);
      assert.deepEqual(
        {
          attempts: attempts(scenario),
          ready: scenario.isReady('chat'),
          stalled: scenario.condition('chat', 'Stalled')?.reason,
        },
        operator === 'holds'
          ? { attempts: [], ready: false, stalled: reason }
          : { attempts: [2], ready: true, stalled: undefined },
      );
    });
  }

  it('and was held for it is tried again as soon as the spec changes', async () => {
    const scenario = started(first(exits(64, 'config')));
    await scenario.until('it is held', () => scenario.condition('chat', 'Stalled') !== undefined, 3 * MINUTE);
    scenario.edit('chat', { engine: { maxModelLen: 2048 } });
    await scenario.until('it is ready', () => scenario.isReady('chat'), 2 * MINUTE);
    assert.deepEqual(
      { attempts: attempts(scenario), stalled: scenario.condition('chat', 'Stalled') },
      { attempts: [2], stalled: undefined },
    );
  });
});

test('a scancel by hand holds the replica where the spec says so, until the spec changes', async () => {
  const scenario = started({}, { restartPolicy: { onExternalCancel: 'Hold' } });
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  scenario.cluster.control.cancel(scenario.jobs('chat')[0]?.job.serial ?? -1);
  await scenario.advance(60 * MINUTE);
  assert.deepEqual(
    { attempts: attempts(scenario), stalled: scenario.condition('chat', 'Stalled')?.reason },
    { attempts: [], stalled: 'CancelledExternally' },
  );
  scenario.edit('chat', { engine: { seed: 1 } });
  await scenario.until('it is ready', () => scenario.isReady('chat'));
});

test('a budget spent is said, ends the retries with growing pauses before, and an edit gives another', async () => {
  const crash = () => thenExits(serves({ port: 20_000 }), 5_000, { exitCode: 68 }, { failureClass: 'died' });
  const scenario = started({ cluster: { behave: crash } }, { restartPolicy: { maxRestarts: 3 } });
  await scenario.until('it is given up', () => scenario.condition('chat', 'Stalled') !== undefined, 30 * MINUTE);
  const submitted = scenario.cluster.inspect.calls().filter(({ name }) => name === 'submit');
  const pauses = submitted.slice(1).map(({ atMs }, index) => atMs - (submitted[index]?.atMs ?? 0));
  assert.equal(submitted.length, 4);
  assert.ok(
    pauses.every((pause, index) => index === 0 || pause > (pauses[index - 1] ?? 0)),
    `pauses ${pauses}`,
  );
  await scenario.advance(120 * MINUTE);
  assert.deepEqual(
    { reason: scenario.condition('chat', 'Stalled')?.reason, submits: scenario.asked('submit').length },
    { reason: 'RestartsExhausted', submits: 4 },
  );
  scenario.cluster.control.setBehaviour(() => serves({ port: 20_000 }));
  scenario.edit('chat', { engine: { seed: 1 } });
  await scenario.until('it is ready', () => scenario.isReady('chat'));
});

test('a walltime is announced, drained and followed by another attempt, hour after hour', async () => {
  const scenario = started({}, { slurm: { time: '60' } });
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  const draining = () => scenario.resource('chat')?.status.endpoints?.[0]?.role === 'Draining';
  await scenario.until('it drains', draining, 60 * MINUTE);
  assert.equal(scenario.isReady('chat'), false);
  await scenario.advance(6 * 60 * MINUTE);
  const made = scenario.asked('submit').length;
  assert.ok(made >= 7 && made <= 8, `${made} attempts in seven hours`);
  assert.equal(scenario.condition('chat', 'Stalled'), undefined);
});

test('a node that failed is kept out for its time, no longer, and never the last one', async () => {
  const scenario = started({}, { restartPolicy: { excludeFailedNodes: { ttlSeconds: 600, max: 2 } } });
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  const { control } = scenario.cluster;
  const nodeNow = () => scenario.jobs('chat')[0]?.job.grants[0]?.node;
  const visited: (string | undefined)[] = [nodeNow()];
  for (let count = 0; count < 3; count += 1) {
    const node = nodeNow() ?? '';
    control.failNode(node, { forMs: 1_000 });
    const isElsewhere = () => nodeNow() !== undefined && nodeNow() !== node && scenario.isReady('chat');
    await scenario.until('it serves elsewhere', isElsewhere, 20 * MINUTE);
    visited.push(nodeNow());
  }
  assert.deepEqual(visited, ['node001', 'node002', 'node003', 'node001'], 'the oldest blame is forgiven first');
  assert.ok((scenario.resource('chat')?.status.excludedNodes?.length ?? 0) <= 2);
  await scenario.advance(11 * MINUTE);
  assert.equal(scenario.resource('chat')?.status.excludedNodes, undefined);
});

test('where every node fails in turn, the replica is back as soon as one of them is', async () => {
  const nodes = [{ name: 'node001', cpus: 16, gpus: 4 }];
  const scenario = started({ cluster: { nodes } });
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  for (let count = 0; count < 4; count += 1) {
    scenario.cluster.control.failNode('node001', { forMs: 30_000 });
    await scenario.until('it is missed', () => !scenario.isReady('chat'));
    await scenario.until('it is back', () => scenario.isReady('chat'), 30 * MINUTE);
  }
});
