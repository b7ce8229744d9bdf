import type { Clock } from '../clock.ts';

/** @returns `undefined` when the work takes longer; it goes on, and what it ends in is nobody's */
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
