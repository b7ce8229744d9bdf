import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from './manual-clock.ts';

test('timers run in the order they are due, each at its own time; those of one instant as they were set', async () => {
  const clock = createManualClock(1000);
  const seen: (readonly [string, number])[] = [];
  const note = (word: string) => () => void seen.push([word, clock.now()]);
  clock.after(300, note('late'));
  clock.after(100, note('early'));
  clock.after(100, note('early too'));
  clock.after(101, note('withdrawn'))();
  await clock.advance(200);
  assert.deepEqual(
    [seen, clock.now(), clock.nextTimerMs()],
    [
      [
        ['early', 1100],
        ['early too', 1100],
      ],
      1200,
      1300,
    ],
  );
});

test('a timer set on the way runs on the way, after promises have settled', async () => {
  const clock = createManualClock(0);
  const seen: (readonly [string, number])[] = [];
  const sleep = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));
  void (async () => {
    for (const word of ['one', 'two', 'three']) {
      await sleep(10);
      await Promise.resolve().then(() => Promise.resolve());
      seen.push([word, clock.now()]);
    }
  })();
  await clock.advance(25);
  assert.deepEqual(seen, [
    ['one', 10],
    ['two', 20],
  ]);
  assert.equal(clock.nextTimerMs(), 30);
});
