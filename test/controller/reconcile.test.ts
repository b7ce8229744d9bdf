import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FINALIZER } from '../../src/api/resource.ts';
import type { Status } from '../../src/api/status.ts';
import { reconcile } from '../../src/controller/reconcile.ts';
import type { ProbeTarget } from '../../src/probe/prober.ts';
import type { Publisher } from '../../src/publish/publisher.ts';
import { err, ok } from '../../src/result.ts';
import type { Job } from '../../src/slurm/job.ts';
import { jobKey } from '../../src/slurm/job.ts';
import type { NodeInfo, Slurm } from '../../src/slurm/slurm.ts';
import { ANSWERS, conditionOf, KEY, NOW, pendingJob, runningJob, servingJob } from '../gen/observation.ts';
import { fakeSlurm, type Ground, gate, ground, settled, sharedBy, unpaced } from './ground.ts';

const MODEL = { model: { uri: 'hf://org/model' } };
const NODES: readonly NodeInfo[] = [{ name: 'node001', address: '10.0.0.1', state: 'mixed' }];

/** One deployment and a cluster; `show` is what Slurm lists from now on. */
function site(about: Partial<Slurm> = {}, more: Partial<Parameters<typeof ground>[0]> = {}) {
  let jobs: readonly Job[] = [];
  const slurm = fakeSlurm({
    listJobs: async () => ok({ jobs, askedAtMs: deps.clock.now() }),
    nodes: async () => ok(NODES),
    ...about,
  });
  const followed = new Map<string, readonly ProbeTarget[]>();
  const deps: Ground = ground({
    slurm,
    prober: {
      follow: async (key, targets) => {
        followed.set(key, targets);
        return new Map(targets.map(({ id }) => [id, ANSWERS]));
      },
      onChange: () => {},
      close: async () => {},
    },
    ...more,
  });
  const shared = sharedBy(deps);
  deps.store.apply(KEY, MODEL);
  return {
    ...deps,
    shared,
    followed,
    calls: slurm.calls,
    async show(...shown: readonly Job[]) {
      jobs = shown;
      await shared.snapshot.refresh();
    },
    turn: () => reconcile(KEY, deps, shared, unpaced(4)),
    async resource() {
      const got = await deps.store.get(KEY);
      if (!got.ok || !got.value) throw new Error('the resource is there');
      return got.value;
    },
  };
}

const IDLE = { requeueAfterMs: 43_000, acted: false };

describe('a turn', () => {
  it('makes a deployment’s first job: finalizer, claim, submission, result, one after the other', async () => {
    const statuses: Status[] = [];
    const { turn, show, resource, calls, store, told } = site({
      submit: async () => {
        statuses.push((await resource()).status);
        return ok('4711');
      },
    });
    await show();
    assert.deepEqual(await turn(), { requeueAfterMs: 10_000, acted: true });
    assert.deepEqual((await resource()).finalizers, [FINALIZER]);
    assert.deepEqual(calls, ['listJobs', 'submit vllm.default.chat.r0.a1']);
    const [claim] = statuses;
    assert.deepEqual(
      [claim?.records?.[0]?.attempt, claim?.records?.[0]?.jobId, (await resource()).status.records?.[0]?.jobId],
      [1, undefined, '4711'],
    );
    assert.equal(store.writes(), 3);
    assert.deepEqual(
      told.map(({ reason, message }) => `${reason}: ${message}`),
      ['Submitted: replica 0 attempt 1 is job 4711'],
    );
  });

  it('in which nothing changed writes nothing, asks nothing and tells nothing', async () => {
    const { turn, show, calls, store, told } = site();
    await show();
    await turn();
    await show(servingJob());
    await turn();
    const [writes, asked, events] = [store.writes(), calls.length, told.length];
    assert.deepEqual([await turn(), await turn()], [IDLE, IDLE]);
    assert.deepEqual([store.writes(), calls.length, told.length], [writes, asked, events]);
  });

  it('publishes what the status says once that is written; what lasts or only a person can change is told once', async () => {
    const published: (readonly [string, number])[] = [];
    let answer: Awaited<ReturnType<Publisher['publish']>> = ok(undefined);
    const publisher: Publisher = {
      async publish({ key }, { endpoints }) {
        published.push([key.name, endpoints?.length ?? 0]);
        return answer;
      },
      forget: () => undefined,
    };
    const { turn, show, told, store } = site({}, { publisher });
    await show();
    await turn();
    await show(servingJob());
    assert.deepEqual(await turn(), IDLE);
    assert.deepEqual(published, [
      ['chat', 0],
      ['chat', 1],
    ]);
    const [events, writes] = [told.length, store.writes()];
    answer = err({ kind: 'unavailable', message: 'no answer' });
    assert.deepEqual(await turn(), { ...IDLE, requeueAfterMs: 5_000 });
    answer = err({ kind: 'unavailable', message: 'the range is full', retryMs: 40_000, isNews: true });
    assert.deepEqual(await turn(), { ...IDLE, requeueAfterMs: 40_000 });
    answer = err({ kind: 'blocked', message: 'somebody else has the name', isNews: true });
    assert.deepEqual(await turn(), IDLE);
    answer = err({ kind: 'blocked', message: 'somebody else has the name', isNews: false });
    assert.deepEqual(await turn(), IDLE);
    assert.deepEqual(
      told.slice(events).map(({ type, reason, message }) => `${type} ${reason}: ${message}`),
      ['Warning NotPublished: the range is full', 'Warning NotPublished: somebody else has the name'],
    );
    assert.equal(store.writes(), writes);
  });

  it('tells of readiness once, and publishes the endpoint', async () => {
    const { turn, show, told, resource, followed } = site();
    await show();
    await turn();
    await show(pendingJob());
    await turn();
    await show(servingJob());
    await turn();
    await turn();
    assert.deepEqual(
      told.map(({ reason }) => reason),
      ['Submitted', 'Ready'],
    );
    assert.equal((await resource()).status.url, 'http://10.0.0.1:20000');
    assert.deepEqual(
      followed.get('default/chat')?.map(({ id }) => id),
      [jobKey(servingJob())],
    );
  });

  it('whose claim meets another writer does nothing, and comes again soon', async () => {
    const { turn, show, calls, store, resource } = site();
    await show();
    store.failNext('writeStatus', 'conflict');
    assert.deepEqual(await turn(), { requeueAfterMs: 5_000, acted: false });
    assert.deepEqual([calls, (await resource()).status], [['listJobs'], {}]);
  });

  it('whose result cannot be written comes again soon; the claim on record keeps the job from being doubled', async () => {
    const { turn, show, calls, store } = site({
      submit: async () => {
        store.failNext('writeStatus', 'unavailable');
        return ok('4711');
      },
    });
    await show();
    assert.deepEqual(await turn(), { requeueAfterMs: 5_000, acted: true });
    await turn();
    assert.deepEqual(
      calls.filter((call) => call.startsWith('submit')),
      ['submit vllm.default.chat.r0.a1'],
    );
  });

  it('holds while the store does not answer', async () => {
    const { turn, show, calls, store, logged } = site();
    await show();
    store.failNext('get', 'unavailable');
    assert.deepEqual(await turn(), { requeueAfterMs: 5_000, acted: false });
    assert.deepEqual([calls, logged], [['listJobs'], ['the store does not answer; holding']]);
  });

  it('ends with the resource: nothing is followed any more', async () => {
    const { turn, show, store, followed } = site();
    await show();
    store.remove(KEY);
    assert.deepEqual(await turn(), { requeueAfterMs: undefined, acted: false });
    assert.deepEqual(followed, new Map([['default/chat', []]]));
  });

  it('of a deletion lets go once no job is left, and not before', async () => {
    const { turn, show, store, calls, clock, logged } = site();
    await show();
    await turn();
    await show(runningJob());
    await turn();
    store.remove(KEY);
    assert.deepEqual(await turn(), { requeueAfterMs: 10_000, acted: true });
    await clock.advance(60_001);
    await show();
    await turn();
    assert.deepEqual(await store.get(KEY), ok(undefined));
    assert.deepEqual(
      [calls.filter((call) => call.startsWith('cancel')), logged.at(-1)],
      [['cancel 101'], 'gone: no job of it is left'],
    );
  });

  it('of a deployment made anew does not adopt what belonged to the old one', async () => {
    const { turn, show, calls, resource } = site();
    await show(servingJob({ uid: 'uid-0', attempt: 9 }));
    await turn();
    await turn();
    assert.deepEqual((await resource()).status.records?.[0]?.attempt, 1);
    assert.deepEqual(
      calls.filter((call) => call.startsWith('cancel')),
      [],
    );
  });

  it('goes by a view and the belief in it as they were together', async () => {
    const asking = gate<void>();
    const { turn, show, store, shared, clock, resource } = site(
      {},
      {
        prober: {
          follow: async () => {
            await asking.promise;
            return new Map();
          },
          onChange: () => {},
          close: async () => {},
        },
      },
    );
    const fleet = [0, 1, 2].map((replica) => runningJob({ replica }));
    await show(...fleet);
    await store.addFinalizer(await resource());
    store.remove(KEY);
    await show();
    assert.equal(shared.snapshot.suspect(), true);
    const turning = turn();
    await settled();
    await show(...fleet);
    assert.equal(shared.snapshot.suspect(), false);
    asking.resolve();
    await turning;
    assert.equal(
      conditionOf((await resource()).status, 'Ready')?.message,
      'more jobs vanished from the listing at once than can be believed',
    );
    assert.equal(clock.now(), NOW);
  });

  it('asks for a node’s address once it is needed, and follows endpoints through a silence of Slurm', async () => {
    let silent = false;
    const { turn, show, calls, resource } = site({
      listJobs: async () =>
        silent
          ? err({ kind: 'unreachable', message: 'connect failure' })
          : ok({ jobs: [servingJob()], askedAtMs: NOW }),
    });
    await show();
    await turn();
    await turn();
    assert.deepEqual(calls, ['listJobs', 'nodes']);
    silent = true;
    await show();
    await turn();
    const { status } = await resource();
    assert.deepEqual(
      [status.url, conditionOf(status, 'Ready')?.status, conditionOf(status, 'SlurmReachable')?.status],
      ['http://10.0.0.1:20000', 'True', 'False'],
    );
    assert.deepEqual(calls, ['listJobs', 'nodes', 'listJobs']);
  });
});
