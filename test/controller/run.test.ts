import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TenancyRules } from '../../src/controller/deps.ts';
import { createController } from '../../src/controller/run.ts';
import type { Tenancy } from '../../src/launch/tenancy.ts';
import type { ProbeMemory } from '../../src/probe/prober.ts';
import { err, ok, type Result } from '../../src/result.ts';
import type { Job } from '../../src/slurm/job.ts';
import type { Listing, SlurmError } from '../../src/slurm/slurm.ts';
import { ANSWERS, KEY, runningJob, servingJob } from '../gen/observation.ts';
import { fakeSlurm, gate, ground, settled } from './ground.ts';

const MODEL = { model: { uri: 'hf://org/model' } };

/** A controller over a cluster that lists what the test lets it. */
function site(
  about: Parameters<typeof fakeSlurm>[0] = {},
  probes: (name: string) => ProbeMemory = () => ANSWERS,
  tenancy?: TenancyRules,
) {
  let jobs: readonly Job[] = [];
  let wake: (key: string) => void = () => {};
  const slurm = fakeSlurm({ listJobs: async () => ok({ jobs, askedAtMs: deps.clock.now() }), ...about });
  const deps = ground({
    slurm,
    prober: {
      follow: async (key, targets) => new Map(targets.map(({ id }) => [id, probes(key)])),
      onChange: (listener) => {
        wake = listener;
      },
      close: async () => {},
    },
  });
  const times: number[] = [];
  const start = deps.clock.now();
  const controller = createController({
    ...deps,
    ...(tenancy && { tenancy }),
    slurm: {
      ...slurm,
      listJobs() {
        times.push((deps.clock.now() - start) / 1000);
        return slurm.listJobs();
      },
    },
  });
  return {
    ...deps,
    controller,
    calls: slurm.calls,
    /** Seconds after the start at which Slurm was asked for its jobs. */
    listed: times,
    show: (...shown: readonly Job[]) => {
      jobs = shown;
    },
    wake: (key: string) => wake(key),
  };
}

describe('the controller', () => {
  it('asks Slurm once a tick, whatever the number of deployments', async () => {
    const { controller, clock, listed, store } = site({
      submit: async () => err({ kind: 'unknown', message: 'timed out' }),
    });
    await controller.start();
    for (let i = 0; i < 20; i++) store.apply({ ...KEY, name: `chat-${i}` }, { ...MODEL, suspend: true });
    await clock.advance(60_000);
    await controller.stop();
    assert.deepEqual(listed, [0, 10, 20, 30, 40, 50, 60]);
  });

  it('asks again soon after an action', async () => {
    const { controller, clock, listed, store } = site();
    await controller.start();
    await clock.advance(5_000);
    store.apply(KEY, MODEL);
    await clock.advance(15_000);
    await controller.stop();
    assert.deepEqual(listed, [0, 6, 16]);
  });

  it('asks again soon, and once, after a job has said its last word', async () => {
    const { controller, clock, listed, show } = site();
    show(servingJob());
    await controller.start();
    await clock.advance(5_000);
    show(runningJob({ says: 'phase=failed|node=node001|port=20001|class=node|code=67|why=lost:node002' }));
    await clock.advance(27_000);
    await controller.stop();
    assert.deepEqual(listed, [0, 10, 11, 21, 31]);
  });

  it('asks a slow Slurm more rarely, and never twice at a time', async () => {
    const answers: PromiseWithResolvers<Result<Listing, SlurmError>>[] = [];
    const { controller, clock, listed } = site({
      listJobs: () => {
        const answer = gate<Result<Listing, SlurmError>>();
        answers.push(answer);
        return answer.promise;
      },
    });
    const starting = controller.start();
    await clock.advance(4_000);
    assert.deepEqual(listed, [0]);
    answers[0]?.resolve(ok({ jobs: [], askedAtMs: clock.now() }));
    await starting;
    await clock.advance(39_999);
    assert.deepEqual(listed, [0]);
    await clock.advance(1);
    assert.deepEqual(listed, [0, 44]);
    answers[1]?.resolve(ok({ jobs: [], askedAtMs: clock.now() }));
    await settled();
    await controller.stop();
  });

  it('asks a Slurm that does not answer again after as long as it waited for it', async () => {
    let silent = true;
    const { controller, clock, listed } = site({
      listJobs: async () => {
        if (silent) await new Promise<void>((resolve) => clock.after(14_000, resolve));
        return silent ? err({ kind: 'unreachable', message: 'away' }) : ok({ jobs: [], askedAtMs: clock.now() });
      },
    });
    const starting = controller.start();
    await clock.advance(14_000);
    await starting;
    await clock.advance(28_000);
    silent = false;
    await clock.advance(26_000);
    await controller.stop();
    assert.deepEqual(listed, [0, 28, 56, 66]);
  });

  it('wakes a deployment by its jobs, by its endpoint and by the store', async () => {
    const { controller, clock, store, show, wake } = site();
    store.apply(KEY, MODEL);
    await controller.start();
    await settled();
    show(servingJob());
    await clock.advance(10_000);
    const got = await store.get(KEY);
    assert.equal(got.ok && got.value?.status.readyReplicas, 1);
    const writes = store.writes();
    wake('default/chat');
    await settled();
    assert.equal(store.writes(), writes);
    store.apply(KEY, { ...MODEL, suspend: true });
    await settled();
    const suspended = await store.get(KEY);
    assert.equal(suspended.ok && suspended.value?.status.phase, 'Suspended');
    await controller.stop();
  });

  it('is not stopped by a call that throws: the next round comes at its time', async () => {
    let broken = true;
    const { controller, clock, listed, calls, logged } = site({
      listJobs: async () => {
        if (broken) throw new Error('a mistake');
        return ok({ jobs: [], askedAtMs: clock.now() });
      },
      nodes: async () => {
        if (broken) throw new Error('a mistake');
        return ok([]);
      },
    });
    await controller.start();
    assert.deepEqual(logged, [
      'a tick failed; it comes again at its time',
      'a resync failed; it comes again at its time',
    ]);
    broken = false;
    await clock.advance(300_000);
    await controller.stop();
    assert.equal(listed.length, 31);
    assert.equal(calls.filter((call) => call === 'nodes').length, 2);
  });

  it('gives up no endpoint while all of the fleet are silent, and one that is silent alone', async () => {
    const silent: ProbeMemory = { lastOkMs: ANSWERS.lastOkMs, failures: 20, lastError: 'connect EHOSTUNREACH' };
    const quiet = new Set(['default/chat', 'default/code']);
    const { controller, clock, calls, store, show } = site({}, (name) =>
      quiet.has(name) ? silent : { ...ANSWERS, lastOkMs: clock.now() },
    );
    const code = { ...KEY, name: 'code' };
    store.apply(KEY, MODEL);
    store.apply(code, MODEL);
    const says = 'phase=ready|node=node001|port=20001|after=30';
    const mine = servingJob();
    const other = runningJob({ id: '7', uid: 'uid-2', says });
    const codes: Job = { ...other, name: other.name.replace('.chat.', '.code.') };
    show(mine, codes);
    await controller.start();
    await clock.advance(600_000);
    const cancels = () => calls.filter((call) => call.startsWith('cancel'));
    assert.deepEqual(cancels(), []);
    quiet.delete('default/code');
    await clock.advance(100_000);
    await controller.stop();
    assert.deepEqual([...new Set(cancels())], ['cancel 101']);
  });

  it('cancels orphans at the second sweep, and none after it was stopped', async () => {
    const { controller, clock, calls, show } = site();
    show(runningJob({ uid: 'uid-0' }));
    await controller.start();
    await clock.advance(119_999);
    assert.deepEqual(calls.includes('cancel 101'), false);
    await clock.advance(1);
    assert.deepEqual(calls.includes('cancel 101'), true);
    await controller.stop();
    const asked = calls.length;
    await clock.advance(600_000);
    assert.deepEqual([calls.length, clock.nextTimerMs(), controller.idle()], [asked, undefined, true]);
  });

  it('looks at everybody again when the rules for namespaces change', async () => {
    let rules: Tenancy = { rules: [], presets: new Map() };
    const notices = new Set<() => void>();
    const { controller, clock, calls, store } = site({}, undefined, {
      current: () => rules,
      onChange(notice) {
        notices.add(notice);
        return () => void notices.delete(notice);
      },
    });
    store.apply(KEY, MODEL);
    await controller.start();
    await clock.advance(60_000);
    const submitted = () => calls.filter((call) => call.startsWith('submit')).length;
    assert.equal(submitted(), 0);
    rules = { rules: [{ namespaces: ['*'] }], presets: new Map() };
    for (const notice of notices) notice();
    await clock.advance(1_000);
    assert.equal(submitted(), 1);
    await controller.stop();
    assert.equal(notices.size, 0);
  });

  it('stops when the turns under way have ended', async () => {
    const submitting = gate<Result<string, SlurmError>>();
    const { controller, store } = site({ submit: () => submitting.promise });
    store.apply(KEY, MODEL);
    await controller.start();
    await settled();
    let stopped = false;
    const stopping = controller.stop().then(() => {
      stopped = true;
    });
    await settled();
    assert.deepEqual([stopped, controller.idle()], [false, false]);
    submitting.resolve(ok('4711'));
    await stopping;
    const got = await store.get(KEY);
    assert.equal(got.ok && got.value?.status.records?.[0]?.jobId, '4711');
  });
});
