import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { until } from './until.ts';

/** SLURM thinks over why jobs wait once a minute (`sched_interval`), and what it says then is news: longer than that. */
const QUIET_MS = 65_000;

/** Waits until a whole round of SLURM's has passed in which nothing was written. @param written another value after each write */
export async function untilQuiet(written: () => Promise<unknown>, withinMs: number): Promise<void> {
  await until('nothing more is written', withinMs, async () => {
    const before = await written();
    await delay(QUIET_MS);
    return isDeepStrictEqual(await written(), before) || undefined;
  });
}
