import type { Clock } from '../../clock.ts';

/** One look after another, never two at once; the next is brought forward by whoever has reason to. */
export interface Rounds {
  /** Looks at the latest after so long. */
  within(delayMs: number): void;
  /** Looks now, after a look that is under way. */
  now(): Promise<void>;
  /** No look begins any more; resolves when the last has ended. */
  stop(): Promise<void>;
}

/** @param look does not throw; answers after how many ms it is due again */
export function createRounds(clock: Clock, look: () => Promise<number>): Rounds {
  let last: Promise<void> = Promise.resolve();
  let next: { readonly dueMs: number; readonly withdraw: () => void } | undefined;
  let stopped = false;

  function within(delayMs: number): void {
    const dueMs = clock.now() + delayMs;
    if (stopped || (next && next.dueMs <= dueMs)) return;
    next?.withdraw();
    const withdraw = clock.after(delayMs, () => {
      next = undefined;
      void now();
    });
    next = { dueMs, withdraw };
  }

  function now(): Promise<void> {
    last = last.then(async () => {
      if (!stopped) within(await look());
    });
    return last;
  }

  function stop(): Promise<void> {
    stopped = true;
    next?.withdraw();
    return last;
  }

  return { within, now, stop };
}
