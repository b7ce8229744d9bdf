import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Deps } from '../../src/controller/deps.ts';
import type { Fleet } from '../../src/controller/snapshot.ts';
import { sweep as sweepWithin } from '../../src/controller/sweep.ts';
import type { OwnJob } from '../../src/decide/observation.ts';
import { completingJob, endedJob, KEY, NOW, pendingJob, runningJob } from '../gen/observation.ts';
import { fakeSlurm, ground, unpaced } from './ground.ts';

const sweep = (fleet: Fleet, suspects: ReadonlySet<string>, deps: Deps) =>
  sweepWithin(fleet, suspects, deps, unpaced(1));
const fleet = (...jobs: readonly OwnJob[]) => ({ askedAtMs: NOW, jobs: new Map([['default/chat', jobs]]) });

/** The first resource of a store has the uid of the jobs the builders make. */
function site() {
  const slurm = fakeSlurm();
  return { ...ground({ slurm }), calls: slurm.calls };
}

describe('the sweep', () => {
  it('cancels what two sweeps in a row found without a resource, and not what only one did', async () => {
    const deps = site();
    const orphans = fleet(runningJob(), pendingJob({ id: '102', submitMs: NOW }));
    const first = await sweep(orphans, new Set(), deps);
    assert.deepEqual([first, deps.calls], [new Set([`101@${NOW - 120_000}`, `102@${NOW}`]), []]);
    await sweep(fleet(runningJob(), pendingJob({ id: '103' })), first, deps);
    assert.deepEqual(deps.calls, ['cancel 101']);
  });

  it('leaves alone what belongs to a resource, what is over, and what ends already', async () => {
    const deps = site();
    deps.store.apply(KEY, { model: { uri: 'hf://org/model' } });
    const jobs = fleet(
      runningJob(),
      endedJob({ id: '7', uid: 'uid-0' }),
      completingJob({ id: '8', uid: 'uid-0' }),
      runningJob({ id: '9', uid: 'uid-0' }),
    );
    assert.deepEqual(await sweep(jobs, new Set(), deps), new Set([`9@${NOW - 120_000}`]));
  });

  it('does not take a job for the orphan of the same id that was seen before', async () => {
    const deps = site();
    const first = await sweep(fleet(runningJob()), new Set(), deps);
    await sweep(fleet(runningJob({ submitMs: NOW })), first, deps);
    assert.deepEqual(deps.calls, []);
  });

  it('concludes nothing while the store does not answer, and begins anew', async () => {
    const deps = site();
    const first = await sweep(fleet(runningJob()), new Set(), deps);
    deps.store.failNext('list', 'unavailable');
    const second = await sweep(fleet(runningJob()), first, deps);
    assert.deepEqual([second, deps.calls], [new Set(), []]);
    await sweep(fleet(runningJob()), second, deps);
    assert.deepEqual(deps.calls, []);
  });
});
