import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSnapshot } from '../../src/controller/snapshot.ts';
import type { OwnJob } from '../../src/decide/observation.ts';
import { err, ok, type Result } from '../../src/result.ts';
import type { Job } from '../../src/slurm/job.ts';
import type { Listing, SlurmError } from '../../src/slurm/slurm.ts';
import { createManualClock } from '../gen/manual-clock.ts';
import { endedJob, NOW, OWNER, pendingJob, runningJob } from '../gen/observation.ts';

const SILENCE: SlurmError = { kind: 'unreachable', message: 'connect failure' };

/** A snapshot of what the test lets Slurm say next. */
function watch() {
  const clock = createManualClock(NOW);
  let next: Result<Listing, SlurmError> = ok({ jobs: [], askedAtMs: NOW });
  const snapshot = createSnapshot({
    slurm: { listJobs: async () => next },
    clock,
    owner: OWNER,
    suspectFraction: 1 / 3,
  });
  return {
    ...snapshot,
    clock,
    async show(...jobs: readonly Job[]) {
      next = ok({ jobs, askedAtMs: clock.now() });
      const { changed, turned } = await snapshot.refresh();
      return { changed, turned, suspect: snapshot.suspect() };
    },
    async fail() {
      next = err(SILENCE);
      const { changed, turned } = await snapshot.refresh();
      return { changed, turned, suspect: snapshot.suspect() };
    },
    ids: () => {
      const fleet = snapshot.fleet();
      return fleet.known ? [...fleet.value.jobs.values()].flat().map((job) => job.id) : undefined;
    },
  };
}

const other = (job: OwnJob, name: string): Job => ({ ...job, name: job.name.replace('.chat.', `.${name}.`) });
const QUIET = { changed: [], turned: false, suspect: false };
const CHAT = { changed: ['default/chat'], turned: false, suspect: false };

describe('the snapshot', () => {
  it('is not known before Slurm was asked, and wakes everybody once it is', async () => {
    const { fleet, show } = watch();
    assert.equal(fleet().known, false);
    assert.deepEqual(await show(), { ...QUIET, turned: true });
    assert.equal(fleet().known, true);
  });

  it('names whose jobs look different: new, changed in any fact, or gone', async () => {
    const { show } = watch();
    await show();
    const queued = pendingJob();
    assert.deepEqual(await show(queued), CHAT);
    assert.deepEqual(await show(queued), QUIET);
    assert.deepEqual(await show(pendingJob({ reason: 'Resources' })), CHAT);
    assert.deepEqual(await show(runningJob()), CHAT);
    assert.deepEqual(await show(runningJob({ says: 'phase=ready' })), CHAT);
    assert.deepEqual(await show(runningJob({ says: 'phase=ready', submitMs: NOW })), CHAT);
    assert.deepEqual(await show(), CHAT);
  });

  it('does not wake anybody for a wandering guess of a start', async () => {
    const { show } = watch();
    await show(pendingJob({ expectedStartMs: NOW + 1_000 }));
    assert.deepEqual(await show(pendingJob({ expectedStartMs: NOW + 9_000 })), QUIET);
  });

  it('leaves out jobs of other operators, and those that only look like ours', async () => {
    const { show, ids } = watch();
    await show(pendingJob(), pendingJob({ id: '7', owner: 'store-2' }), { ...pendingJob({ id: '8' }), comment: '' });
    assert.deepEqual(ids(), ['101']);
  });

  it('keeps jobs of every uid of a name: whose they are is decided later', async () => {
    const { show, ids } = watch();
    await show(pendingJob(), pendingJob({ id: '7', uid: 'uid-0' }));
    assert.deepEqual(ids(), ['101', '7']);
  });

  it('is unknown, not empty, while Slurm is silent, and since when it has been', async () => {
    const { show, fail, fleet, lastKnown, clock } = watch();
    await show(pendingJob());
    await clock.advance(10_000);
    assert.deepEqual(await fail(), { ...QUIET, turned: true });
    await clock.advance(10_000);
    assert.deepEqual(await fail(), QUIET);
    assert.deepEqual(fleet(), { known: false, why: SILENCE, sinceMs: NOW + 10_000 });
    assert.equal(lastKnown()?.jobs.get('default/chat')?.length, 1);
    assert.deepEqual(await show(runningJob()), { ...CHAT, turned: true });
  });

  describe('of which many jobs vanish at once', () => {
    const fleet = [0, 1, 2, 3].map((replica) => runningJob({ replica }));
    const [a, b, c] = fleet as [OwnJob, OwnJob, OwnJob];

    it('is not believed, and followed on', async () => {
      const { show, lastKnown } = watch();
      await show(...fleet);
      assert.deepEqual(await show(a), { changed: [], turned: true, suspect: true });
      assert.equal(lastKnown()?.jobs.get('default/chat')?.length, 4);
    });

    it('is believed again when they are back', async () => {
      const { show } = watch();
      await show(...fleet);
      await show();
      assert.deepEqual(await show(...fleet), { changed: [], turned: true, suspect: false });
    });

    it('is believed when it stays so for a minute', async () => {
      const { show, clock, ids } = watch();
      await show(...fleet);
      await show();
      await clock.advance(59_999);
      assert.deepEqual(await show(), { changed: [], turned: false, suspect: true });
      await clock.advance(1);
      assert.deepEqual(await show(), { changed: ['default/chat'], turned: true, suspect: false });
      assert.deepEqual(ids(), []);
    });

    it('is believed when they are no more than a third, few, or had ended', async () => {
      const third = watch();
      await third.show(a, b, c);
      assert.equal((await third.show(a, b)).suspect, false);
      const few = watch();
      await few.show(a, b);
      assert.equal((await few.show()).suspect, false);
      const ended = watch();
      await ended.show(...fleet.map(({ id, identity }) => endedJob({ id, replica: identity.replica })));
      assert.equal((await ended.show()).suspect, false);
    });

    it('counts the fleet, not one deployment', async () => {
      const { show } = watch();
      const others = [0, 1, 2, 3, 4, 5].map((replica) => other(runningJob({ replica, id: `9${replica}` }), 'code'));
      await show(a, b, c, ...others);
      assert.deepEqual(await show(...others), { changed: ['default/chat'], turned: false, suspect: false });
    });
  });
});
