import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Deps } from '../../src/controller/deps.ts';
import { DEFAULT_POLICY } from '../../src/decide/policy.ts';
import { err, ok } from '../../src/result.ts';
import type { NamespaceCredentials } from '../../src/secrets/secrets.ts';
import { marker } from '../../src/slurm/identity.ts';
import { deployment } from '../gen/deployment.ts';
import type { Moment } from '../gen/plug.ts';
import { diesAtEachCall, killedAt } from './deaths.ts';
import { createScenario, type Scenario, type ScenarioOptions } from './scenario.ts';

/** The operator is `vllm` to SLURM, and the namespace whom `become` says. */
function scene(
  options: Pick<ScenarioOptions, 'policy'> = {},
): Scenario & { become(user: string | undefined): void; users(name: string): readonly string[] } {
  let user: string | undefined = 'alice';
  /** Of one operator process: what it remembers ends with it. */
  function credentials(): NamespaceCredentials {
    const remembered = new Set<string>();
    const known = (who: string) => ({ user: who, token: `token-of-${who}` });
    return {
      async of() {
        if (user === undefined) return err({ kind: 'missing', message: 'there is no Secret' });
        remembered.add(user);
        return ok({ ...known(user), source: 'Secret default/slurm', endsSoon: false });
      },
      ofUser: async (_namespace, who) => (remembered.has(who) ? known(who) : undefined),
      lastUser: () => user,
    };
  }
  const scenario = createScenario({
    ...options,
    cluster: { otherUsers: ['alice', 'bob'] },
    tamper: (deps: Deps): Deps => ({ ...deps, credentials: credentials() }),
  });
  return {
    ...scenario,
    become: (who) => {
      user = who;
    },
    users: (name) => scenario.jobs(name).map(({ job, identity }) => `r${identity.replica} ${job.user}`),
  };
}

test('jobs are the namespace’s user’s; another token is for the next ones, and in the end none of either is left', async () => {
  const scenario = scene();
  scenario.apply('chat', deployment({ replicas: 2 }));
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  assert.deepEqual(scenario.users('chat'), ['r0 alice', 'r1 alice']);
  scenario.become('bob');
  await scenario.advance(600_000);
  assert.deepEqual(scenario.users('chat'), ['r0 alice', 'r1 alice']);
  scenario.cluster.control.preempt(scenario.jobs('chat')[0]?.job.serial ?? -1);
  await scenario.until('the next serves', () => scenario.isReady('chat') && scenario.users('chat').includes('r0 bob'));
  assert.deepEqual(scenario.resource('chat')?.status.users, ['alice', 'bob']);
  scenario.remove('chat');
  await scenario.until('it is gone', () => scenario.resource('chat') === undefined);
  assert.deepEqual(scenario.cluster.inspect.live(), []);
});

test('without a token what serves serves on, and nothing is submitted; without a right to end them it says what it waits for', async () => {
  const scenario = scene();
  scenario.apply('chat', deployment({ replicas: 2 }));
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  scenario.become(undefined);
  scenario.cluster.control.preempt(scenario.jobs('chat')[0]?.job.serial ?? -1);
  await scenario.until('it is stalled', () => scenario.condition('chat', 'Stalled')?.reason === 'SecretMissing');
  await scenario.advance(600_000);
  assert.deepEqual(scenario.users('chat'), ['r1 alice']);
  scenario.start();
  scenario.remove('chat');
  await scenario.advance(600_000);
  assert.deepEqual(scenario.users('chat'), ['r1 alice']);
  assert.match(scenario.condition('chat', 'SlurmReachable')?.message ?? '', /to end them SLURM must let vllm/);
  scenario.become('alice');
  await scenario.until('it is gone', () => scenario.resource('chat') === undefined);
});

for (const [how, policy] of [
  ['at its usual pace', DEFAULT_POLICY],
  ['in a hurry', { ...DEFAULT_POLICY, tickMs: 1_000, doubtWindowMs: 15_000, vanishedGraceMs: 0 }],
] as const)
  test(`jobs that SLURM hides are doubled by no operator ${how}, and are looked after again when it shows them`, async () => {
    const scenario = scene({ policy });
    scenario.cluster.control.setPrivate(true);
    scenario.apply('chat', deployment({ replicas: 2 }));
    scenario.start();
    await scenario.advance(1_200_000);
    assert.deepEqual(scenario.users('chat'), ['r0 alice', 'r1 alice']);
    assert.match(scenario.condition('chat', 'SlurmReachable')?.message ?? '', /is not shown to vllm/);
    scenario.cluster.control.setPrivate(false);
    await scenario.until('it is ready', () => scenario.isReady('chat'));
    scenario.cluster.control.setPrivate(true);
    await scenario.advance(1_200_000);
    assert.deepEqual(scenario.asked('submit'), ['chat.r0.a1', 'chat.r1.a1']);
    assert.deepEqual(scenario.asked('cancel'), []);
    scenario.remove('chat');
    await scenario.advance(600_000);
    assert.ok(scenario.resource('chat'));
    scenario.cluster.control.setPrivate(false);
    await scenario.until('it is gone', () => scenario.resource('chat') === undefined);
  });

test('a stranger’s job of our name and marker is no job of ours, and is left alone', async () => {
  const scenario = scene();
  scenario.apply('chat', deployment());
  await scenario.advance(0);
  const uid = scenario.resource('chat')?.uid;
  assert.ok(uid);
  const about = {
    namespace: 'default',
    name: 'chat',
    replica: 0,
    attempt: 1,
    uid,
    generation: 1,
    specHash: 'a',
    nonce: 'n',
  };
  const forged = scenario.cluster.control.addForeignJob({
    name: 'vllm.default.chat.r0.a1',
    user: 'mallory',
    comment: `${marker({ ...about, owner: 'memory' })}|phase=ready|node=node001|port=20001`,
  });
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  assert.deepEqual(scenario.asked('submit'), ['chat.r0.a1']);
  scenario.remove('chat');
  await scenario.until('it is gone', () => scenario.resource('chat') === undefined);
  await scenario.advance(600_000);
  const left = scenario.cluster.inspect.jobs().find(({ serial }) => serial === forged.serial);
  assert.equal(left?.phase, 'running');
});

describe('an operator killed at any of its calls, whose namespace becomes another user meanwhile, leaves no job, and doubles none', () => {
  diesAtEachCall(survives);
});

/** @returns whether a life has so many calls at all */
async function survives(point: number, when: Moment): Promise<boolean> {
  const scenario = scene();
  scenario.start();
  const { died, reach } = killedAt(scenario, point, when, () => scenario.become('bob'));
  scenario.apply('chat', deployment());
  await reach('it is ready', () => scenario.isReady('chat'));
  // Only who is known can end what is left of alice's.
  if (scenario.users('chat').includes('r0 alice')) scenario.become('alice');
  scenario.remove('chat');
  await reach('it is gone', () => {
    if (scenario.users('chat').includes('r0 alice')) scenario.become('alice');
    return scenario.resource('chat') === undefined;
  });
  assert.deepEqual(scenario.cluster.inspect.live(), [], scenario.history());
  return died();
}
