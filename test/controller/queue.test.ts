import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createQueue } from '../../src/controller/queue.ts';
import { createManualClock } from '../gen/manual-clock.ts';
import { gate, settled } from './ground.ts';

/** A queue whose turns last until the test ends them. */
function workshop(atOnce = 2) {
  const clock = createManualClock();
  const begun: string[] = [];
  const errors: string[] = [];
  const under = new Map<string, PromiseWithResolvers<number | undefined>>();
  const queue = createQueue({
    clock,
    atOnce,
    turn(name) {
      begun.push(name);
      const turn = gate<number | undefined>();
      under.set(name, turn);
      return turn.promise;
    },
    onError: (name, error) => errors.push(`${name}: ${error}`),
  });
  return {
    queue,
    clock,
    begun,
    errors,
    async end(name: string, waitMs?: number) {
      under.get(name)?.resolve(waitMs);
      await settled();
    },
    async fail(name: string) {
      under.get(name)?.reject('broken');
      await settled();
    },
  };
}

describe('the queue', () => {
  it('takes one turn at a time for a name, and one more for all wakes during it', async () => {
    const { queue, begun, end } = workshop();
    queue.wake('a');
    queue.wake('a');
    queue.wake('a');
    assert.deepEqual(begun, ['a']);
    await end('a');
    assert.deepEqual(begun, ['a', 'a']);
    await end('a');
    assert.deepEqual([begun, queue.idle()], [['a', 'a'], true]);
  });

  it('counts many wakes of a name that waits as one', async () => {
    const { queue, begun, end } = workshop(1);
    queue.wake('a');
    for (const name of ['b', 'b', 'c', 'b']) queue.wake(name);
    await end('a');
    await end('b');
    await end('c');
    assert.deepEqual([begun, queue.idle()], [['a', 'b', 'c'], true]);
  });

  it('takes turns for different names side by side, as many as it may', async () => {
    const { queue, begun, end } = workshop(2);
    for (const name of ['a', 'b', 'c']) queue.wake(name);
    assert.deepEqual(begun, ['a', 'b']);
    await end('b');
    assert.deepEqual(begun, ['a', 'b', 'c']);
  });

  it('comes again when a turn says so, and sooner when woken', async () => {
    const { queue, clock, begun, end } = workshop();
    queue.wake('a');
    await end('a', 5_000);
    await clock.advance(4_999);
    assert.deepEqual(begun, ['a']);
    await clock.advance(1);
    assert.deepEqual(begun, ['a', 'a']);
    await end('a', 5_000);
    queue.wake('a');
    assert.deepEqual(begun, ['a', 'a', 'a']);
    await end('a');
    await clock.advance(60_000);
    assert.deepEqual(begun, ['a', 'a', 'a']);
  });

  it('comes again at once when a turn says so, behind those that wait', async () => {
    const { queue, begun, end } = workshop(1);
    queue.wake('a');
    queue.wake('b');
    await end('a', 0);
    await end('b');
    assert.deepEqual(begun, ['a', 'b', 'a']);
  });

  it('comes again after a growing wait when a turn throws, and forgets it after a good one', async () => {
    const { queue, clock, begun, errors, fail, end } = workshop();
    queue.wake('a');
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      await fail('a');
      waits.push((clock.nextTimerMs() ?? 0) - clock.now());
      await clock.advance(waits.at(-1) ?? 0);
    }
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    assert.deepEqual([begun.length, errors.length, errors[0]], [9, 8, 'a: broken']);
    await end('a');
    queue.wake('a');
    await fail('a');
    assert.equal((clock.nextTimerMs() ?? 0) - clock.now(), 1_000);
  });

  it('closes when the turns under way have ended, and begins none', async () => {
    const { queue, clock, begun, end } = workshop(1);
    queue.wake('a');
    queue.wake('b');
    const closed: string[] = [];
    void queue.close().then(() => closed.push('first'));
    void queue.close().then(() => closed.push('second'));
    queue.wake('c');
    await settled();
    assert.deepEqual(closed, []);
    await end('a', 1_000);
    await clock.advance(10_000);
    assert.deepEqual([closed, begun, clock.nextTimerMs()], [['first', 'second'], ['a'], undefined]);
  });

  it('closes at once when nothing is under way, and withdraws what was to come', async () => {
    const { queue, clock, begun, end } = workshop();
    queue.wake('a');
    await end('a', 1_000);
    await queue.close();
    await clock.advance(10_000);
    assert.deepEqual([begun, clock.nextTimerMs()], [['a'], undefined]);
  });
});
