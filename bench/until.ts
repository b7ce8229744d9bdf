import { setTimeout as delay } from 'node:timers/promises';

/** Asks again and again until there is an answer. */
export async function until<T>(
  what: string,
  withinMs: number,
  ask: () => Promise<T | undefined>,
  everyMs = 100,
): Promise<T> {
  const end = performance.now() + withinMs;
  while (performance.now() < end) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await delay(everyMs);
  }
  throw new Error(`${what}: not within ${withinMs / 1000} s`);
}
