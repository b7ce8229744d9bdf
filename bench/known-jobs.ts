import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from './until.ts';

const JOB_ID = /^\s*jobId: "?(\d+)"?$/m;
/** Coarse enough to leave the machine to what is measured, fine enough not to show in seconds. */
const LOOK_MS = 20;

/** @returns the id of a deployment's job, once its status names it */
export type Look = (name: string) => Promise<string | undefined>;

/**
 * Waits until the status of each deployment names its job. Looks at one after another, each until it is so: the last
 * answer counts, and looking at every one all the time would slow down what it measures.
 * @returns job ids, in the order of the names
 */
export async function knownJobs(look: Look, names: readonly string[], withinMs: number): Promise<readonly string[]> {
  const ids: string[] = [];
  const end = performance.now() + withinMs;
  for (const name of names)
    ids.push(await until(`${name} names its job`, Math.max(0, end - performance.now()), () => look(name), LOOK_MS));
  return ids;
}

export const inStatusFile =
  (directory: string): Look =>
  async (name) =>
    JOB_ID.exec(await readFile(join(directory, `${name}.status.yaml`), 'utf8').catch(() => ''))?.[1];
