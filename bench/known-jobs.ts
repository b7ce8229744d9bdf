import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from './until.ts';

const JOB_ID = /^\s*jobId: "?(\d+)"?$/m;
/** Coarse enough to leave the machine to what is measured, fine enough not to show in seconds. */
const LOOK_MS = 20;

/**
 * Waits until the status file of each deployment names its job. Looks at one file after another, each until it is so:
 * the last answer counts, and reading every file all the time would slow down what it measures.
 * @returns job ids, in the order of the names
 */
export async function knownJobs(
  directory: string,
  names: readonly string[],
  withinMs: number,
): Promise<readonly string[]> {
  const ids: string[] = [];
  const end = performance.now() + withinMs;
  for (const name of names) {
    const file = join(directory, `${name}.status.yaml`);
    const look = async () => JOB_ID.exec(await readFile(file, 'utf8').catch(() => ''))?.[1];
    ids.push(await until(`${name} names its job`, Math.max(0, end - performance.now()), look, LOOK_MS));
  }
  return ids;
}
