/** Time as an argument. Only adapters and `main.ts` hold the real one; scenarios drive one by hand. */
export interface Clock {
  /** Epoch, ms. */
  now(): number;
  /** Runs once after `delayMs`; the returned function withdraws it. Never keeps the process alive by itself. */
  after(delayMs: number, run: () => void): () => void;
}

/** @returns undefined when the work takes longer; it goes on, and what it ends in is nobody's */
export async function withinMs<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T | undefined> {
  let withdraw = (): void => undefined;
  const late = new Promise<undefined>((resolve) => {
    withdraw = clock.after(ms, () => resolve(undefined));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    withdraw();
  }
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** For spans of time only: never set back or forth. It counts from some moment of its own. */
export const steadyClock: Clock = { now: () => performance.now(), after: systemClock.after };
