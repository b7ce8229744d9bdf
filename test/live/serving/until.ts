import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks until the answer is not undefined.
 * @param what is told when it never comes; a function is asked for it then
 */
export async function until<T>(
  what: string | (() => unknown),
  deadlineMs: number,
  ask: () => Promise<T | undefined> | T | undefined,
  everyMs = 200,
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  do {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await delay(everyMs);
  } while (performance.now() < endMs);
  return assert.fail(`not within ${deadlineMs} ms: ${typeof what === 'string' ? what : JSON.stringify(what())}`);
}
