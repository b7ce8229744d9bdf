import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { counted, createPace, type PaceOptions } from '../../src/controller/pace.ts';
import { createManualClock } from '../gen/manual-clock.ts';
import { fakeSlurm, gate, settled } from './ground.ts';

type About = Partial<Omit<PaceOptions, 'clock'>>;

/** Ten calls a second, two after a rest, and as many at a time as want to. */
function pacing(about: About = {}) {
  const clock = createManualClock(0);
  const begun: string[] = [];
  const pace = createPace({ clock, atOnce: 100, perSecond: 10, burst: 2, ...about });
  const call = (name: string, urgency: 'cancel' | 'submit' = 'submit', answer: Promise<unknown> = Promise.resolve()) =>
    pace.run(() => {
      begun.push(`${name} ${clock.now()}`);
      return answer;
    }, urgency);
  return { clock, pace, begun, call };
}

describe('the pace at which SLURM is asked', () => {
  it('lets so many pass at once, then so many a second, and saves up while it rests', async () => {
    const { clock, begun, call } = pacing();
    for (const name of ['a', 'b', 'c', 'd']) void call(name);
    await settled();
    assert.deepEqual(begun.splice(0), ['a 0', 'b 0']);
    await clock.advance(1_000);
    assert.deepEqual(begun.splice(0), ['c 100', 'd 200']);
    for (const name of ['e', 'f', 'g']) void call(name);
    await clock.advance(90);
    assert.deepEqual(begun, ['e 1000', 'f 1000']);
  });

  it('lets no more run at a time than may, the others in their order', async () => {
    const { begun, call } = pacing({ atOnce: 1, burst: 10 });
    const first = gate();
    const all = [call('a', 'submit', first.promise), call('b'), call('c')];
    await settled();
    assert.deepEqual(begun, ['a 0']);
    first.resolve();
    await Promise.all(all);
    assert.deepEqual(begun, ['a 0', 'b 0', 'c 0']);
  });

  it('lets cancels go first, however many submissions wait', async () => {
    const { clock, begun, call } = pacing({ burst: 1 });
    for (const name of ['a', 'b', 'c']) void call(name);
    void call('end', 'cancel');
    await clock.advance(1_000);
    assert.deepEqual(begun, ['a 0', 'end 100', 'b 200', 'c 300']);
  });

  it('gives the turn of a call that finds nothing to ask to the next', async () => {
    const { clock, pace, begun, call } = pacing({ burst: 1 });
    void call('a');
    void pace.run(async (giveUp) => giveUp(), 'submit');
    void call('b');
    await clock.advance(1_000);
    assert.deepEqual(begun, ['a 0', 'b 100']);
  });

  it('gives the place of a call that failed to the next', async () => {
    const { call } = pacing({ atOnce: 1, burst: 10 });
    await assert.rejects(call('broken', 'submit', Promise.reject(new Error('broken'))), /broken/);
    await call('next');
  });

  it('counts questions, which do not wait: what changes something makes up for them', async () => {
    const { clock, pace, begun, call } = pacing();
    const slurm = counted(fakeSlurm(), pace);
    await Promise.all([slurm.listJobs(), slurm.describe([]), slurm.history([], 0), slurm.nodes()]);
    assert.equal(pace.restMs(), 200);
    void call('a');
    await clock.advance(1_000);
    assert.deepEqual(begun, ['a 300']);
  });

  it('asks half as often after each slow answer, what was saved up is void, and comes back with quick ones', async () => {
    const told: number[] = [];
    const { clock, begun, call } = pacing({ burst: 50, onChange: (perSecond) => told.push(perSecond) });
    const slow = gate();
    void call('slow', 'submit', slow.promise);
    await clock.advance(1_000);
    slow.resolve();
    await settled();
    assert.equal(told.at(-1), 5);
    begun.length = 0;
    for (let n = 0; n < 12; n++) void call(`${n}`);
    await settled();
    assert.equal(begun.length, 5, 'of 50 saved up');
    await clock.advance(5_000);
    assert.deepEqual([begun.length, told.at(-1)], [12, 10]);
  });

  it('never stops asking', async () => {
    const told: number[] = [];
    const { clock, call } = pacing({ onChange: (perSecond) => told.push(perSecond) });
    for (let n = 0; n < 20; n++) {
      const slow = gate();
      void call('slow', 'submit', slow.promise);
      await clock.advance(2_000);
      slow.resolve();
      await settled();
    }
    assert.equal(told.at(-1), 1);
  });
});
