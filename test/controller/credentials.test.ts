import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Deps } from '../../src/controller/deps.ts';
import { reconcile } from '../../src/controller/reconcile.ts';
import { createSnapshot } from '../../src/controller/snapshot.ts';
import { sweep } from '../../src/controller/sweep.ts';
import { err, ok } from '../../src/result.ts';
import type { NamespaceCredentials } from '../../src/secrets/secrets.ts';
import type { Job } from '../../src/slurm/job.ts';
import type { Slurm } from '../../src/slurm/slurm.ts';
import { conditionOf, KEY, NOW, pendingJob, runningJob } from '../gen/observation.ts';
import { fakeSlurm, ground, sharedBy, unpaced } from './ground.ts';

/**
 * A namespace `default` whose user can be set, on a cluster that is asked as `vllm`. Whom a submission or a cancel was made as
 * is in `made`; jobs in `hidden` only their own user is shown.
 */
function site() {
  let user: string | undefined = 'alice';
  let jobs: readonly Job[] = [];
  let hidden: readonly Job[] = [];
  let listsOthers = true;
  const made: string[] = [];
  const tokens = new Set<string>();
  const credentials: NamespaceCredentials = {
    async of() {
      if (user === undefined) return err({ kind: 'missing', message: 'there is no Secret' });
      tokens.add(user);
      return ok({ user, token: `token-of-${user}`, source: 'Secret default/slurm', endsSoon: false });
    },
    ofUser: async (_namespace, who) => (tokens.has(who) ? { user: who, token: `token-of-${who}` } : undefined),
    lastUser: () => user,
  };
  const slurm: Slurm = fakeSlurm({
    listJobs: async () =>
      ok({
        jobs: listsOthers ? jobs : jobs.filter((job) => job.user === 'vllm'),
        askedAtMs: deps.clock.now(),
        ...(listsOthers && { user: 'vllm' }),
      }),
    listJobsAs: async (as) => {
      made.push(`listing by ${as.token}`);
      const theirs = [...jobs, ...hidden].filter((job) => job.user === as.user);
      return ok({ jobs: theirs, askedAtMs: deps.clock.now(), user: as.user });
    },
    async submit({ name, as }) {
      made.push(`${name} by ${as?.token ?? 'the operator'}`);
      return ok('101');
    },
    async cancel({ id, user: whose, as }) {
      made.push(`${id} of ${whose} ended by ${as?.token ?? 'the operator'}`);
      return ok(undefined);
    },
  });
  const deps = ground({ slurm, credentials });
  const shared = sharedBy(deps);
  deps.store.apply(KEY, { model: { uri: 'hf://org/model' } });
  const resource = async () => {
    const got = await deps.store.get(KEY);
    assert.ok(got.ok && got.value);
    return got.value;
  };
  return {
    deps,
    made,
    resource,
    message: async (type: string) => conditionOf((await resource()).status, type)?.message,
    become: (who: string | undefined) => {
      user = who;
    },
    hide: (...who: readonly Job[]) => {
      hidden = who;
    },
    listOwnOnly: () => {
      listsOthers = false;
    },
    async show(...shown: readonly Job[]) {
      jobs = shown;
      await deps.clock.advance(3_000);
      await shared.snapshot.refresh();
    },
    turn: () => reconcile(KEY, deps, shared, unpaced(4)),
    sweep: (suspects: ReadonlySet<string>) => {
      const fleet = shared.snapshot.fleet();
      assert.ok(fleet.known);
      return sweep(fleet.value, suspects, deps, unpaced(1));
    },
  };
}

const SUBMITTED = 'vllm.default.chat.r0.a1 by token-of-alice';
const LISTED = 'listing by token-of-alice';

describe('a turn for a namespace that is somebody to SLURM', () => {
  it('submits as that user, who is on record; the token is in nothing that is written', async () => {
    const { show, turn, made, resource, deps } = site();
    await show();
    await turn();
    assert.deepEqual([made, (await resource()).status.users], [[LISTED, SUBMITTED], ['alice']]);
    assert.ok(
      ![JSON.stringify(await resource()), ...deps.logged, JSON.stringify(deps.told)].join().includes('token-of'),
    );
  });

  it('submits nothing when it is another user than was decided for, and is decided anew', async () => {
    const { show, turn, made, become, resource, deps } = site();
    await show();
    const write = deps.store.writeStatus;
    deps.store.writeStatus = async (...about) => {
      become('bob');
      return write(...about);
    };
    await turn();
    assert.deepEqual(made, [LISTED]);
    assert.match(
      conditionOf((await resource()).status, 'Ready')?.message ?? '',
      /not known as alice any more: it is known as another user/,
    );
  });

  it('takes no stranger’s job for its own, whatever name and marker it has', async () => {
    const { show, turn, made } = site();
    await show(runningJob({ user: 'mallory' }));
    await turn();
    assert.deepEqual(made, [LISTED, SUBMITTED]);
  });

  it('ends jobs by the token of their own user, and as itself those of users it has no token of', async () => {
    const { show, turn, made, become, deps } = site();
    await show();
    await turn();
    await show(runningJob());
    await turn();
    become('bob');
    deps.store.remove(KEY);
    await show(runningJob());
    await turn();
    assert.deepEqual(made.slice(2), ['101 of alice ended by token-of-alice']);

    const other = site();
    other.become('bob');
    await other.deps.store.writeStatus(await other.resource(), { users: ['alice'] });
    await other.show(runningJob());
    await other.turn();
    other.deps.store.remove(KEY);
    await other.turn();
    assert.deepEqual(other.made, ['101 of alice ended by the operator']);
  });

  it('believes no absence of a job that its own user sees: it holds, and says what SLURM must let the operator’s do', async () => {
    const { show, turn, made, hide, message, resource } = site();
    await show();
    await turn();
    hide(runningJob());
    await show();
    await turn();
    assert.deepEqual(made, [LISTED, SUBMITTED, LISTED]);
    assert.equal(
      await message('SlurmReachable'),
      'job 101 of alice is not shown to vllm, as whom all jobs are listed: with PrivateData in slurm.conf vllm must be a coordinator of its account or an Operator; jobs are left as they are, asking again',
    );
    hide();
    await show(runningJob());
    await turn();
    assert.deepEqual([made.length, conditionOf((await resource()).status, 'SlurmReachable')?.status], [3, 'True']);
  });

  it('concludes nothing while its own user cannot be asked', async () => {
    const { show, turn, made, message, deps } = site();
    deps.slurm.listJobsAs = async () => err({ kind: 'unreachable', message: 'as alice: slurmrestd accepts neither' });
    await show();
    await turn();
    assert.deepEqual(made, []);
    assert.match(
      (await message('SlurmReachable')) ?? '',
      /^what the namespace’s own user sees .* as alice: slurmrestd/,
    );
  });

  it('lets nothing go whose last job is hidden', async () => {
    const { show, turn, hide, deps, resource } = site();
    await show(runningJob());
    await turn();
    hide(runningJob());
    deps.store.remove(KEY);
    await show();
    await turn();
    assert.equal((await resource()).finalizers.length, 1);
  });

  it('holds when the setting is taken away while jobs of others live', async () => {
    const { show, turn, made, listOwnOnly, message } = site();
    await show(runningJob());
    await turn();
    listOwnOnly();
    await show(runningJob());
    await turn();
    assert.deepEqual(made, []);
    assert.match((await message('SlurmReachable')) ?? '', /^jobs of alice may live, and are listed only with/);
  });
});

describe('the sweep of a cluster with several users', () => {
  const orphans = [runningJob({ uid: 'gone' }), pendingJob({ uid: 'gone', id: '102', user: 'mallory' })] as const;

  it('ends what is of the namespace’s user, by that user’s token, and leaves a stranger’s, which it tells once', async () => {
    const { show, sweep: swept, made, deps } = site();
    await show(...orphans);
    await deps.credentials?.of('default');
    const first = await swept(new Set());
    await swept(first);
    assert.deepEqual(made, ['101 of alice ended by token-of-alice']);
    assert.deepEqual(deps.logged, [
      'a job that seems to be of a deployment no longer there is left: anybody may have named it so',
      'cancelled a job whose deployment no longer exists, or is on another cluster',
    ]);
  });
});

describe('many jobs that vanish at once', () => {
  it('are no reason to doubt where they were a stranger’s', async () => {
    const { deps } = site();
    let jobs: readonly Job[] = [];
    const slurm: Pick<Deps['slurm'], 'listJobs'> = {
      listJobs: async () => ok({ jobs, askedAtMs: NOW, user: 'vllm' }),
    };
    const vanishes = async (user: string) => {
      const userOf = () => 'alice';
      const snapshot = createSnapshot({
        slurm,
        clock: deps.clock,
        owner: deps.store.id,
        suspectFraction: 1 / 3,
        userOf,
      });
      jobs = Array.from({ length: 9 }, (_, replica) => runningJob({ replica, user }));
      await snapshot.refresh();
      jobs = [];
      await snapshot.refresh();
      return snapshot.suspect();
    };
    assert.deepEqual([await vanishes('vllm'), await vanishes('alice'), await vanishes('mallory')], [true, true, false]);
  });
});
