import type { Clock } from '../../src/clock.ts';

export type ManualClock = Clock & {
  /** Moves on by `ms`, running each timer due on the way at its own time and letting promises settle after each. */
  advance(ms: number): Promise<void>;
  /** Epoch, ms, of the next timer; undefined when none waits. */
  nextTimerMs(): number | undefined;
};

type Timer = { readonly atMs: number; readonly order: number; readonly run: () => void };

/** A clock driven by hand: nothing happens between two calls of `advance`. Timers of one instant run as they were set. */
export function createManualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let nowMs = startMs;
  let order = 0;
  /** Latest first: the next to run is popped off the end. */
  const timers: Timer[] = [];

  function after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: nowMs + Math.max(0, delayMs), order: order++, run };
    timers.splice(place(timers, timer), 0, timer);
    return () => {
      const at = timers.indexOf(timer);
      if (at >= 0) timers.splice(at, 1);
    };
  }

  async function advance(ms: number): Promise<void> {
    const untilMs = nowMs + ms;
    await settled();
    for (;;) {
      const next = timers.at(-1);
      if (!next || next.atMs > untilMs) break;
      timers.pop();
      nowMs = next.atMs;
      next.run();
      await settled();
    }
    nowMs = untilMs;
  }

  return { now: () => nowMs, after, advance, nextTimerMs: () => timers.at(-1)?.atMs };
}

/** Index at which the timer stands behind all later ones and before all that run sooner. */
function place(timers: readonly Timer[], timer: Timer): number {
  let low = 0;
  let high = timers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = timers[middle] as Timer;
    if (other.atMs > timer.atMs || (other.atMs === timer.atMs && other.order > timer.order)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A turn of the event loop: however long a chain of promises is, it has run to where it waits for a timer. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
