import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

/** For one step of a story on a loaded machine. */
const DEADLINE_MS = 120_000;

/** Asks until the answer is not undefined. @param what is told when it never comes; a function is asked for it then */
export async function until<T>(
  what: string | (() => unknown),
  ask: () => Promise<T | undefined> | T | undefined,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  do {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await delay(200);
  } while (performance.now() < endMs);
  return assert.fail(`not within ${deadlineMs} ms: ${typeof what === 'string' ? what : JSON.stringify(what())}`);
}
