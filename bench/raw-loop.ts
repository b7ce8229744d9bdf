import { readFile } from 'node:fs/promises';
import type { Submission } from '../src/slurm/slurm.ts';
import { sbatch } from './sbatch.ts';

/**
 * What submitting costs without an operator: `node raw-loop.ts SUBMISSIONS.json AT_ONCE`. Every script is piped to an
 * sbatch of its own, so many at a time; nothing is remembered but the ids. A process of its own, for starting another
 * costs the more the larger one is. Prints a `RawLoop`.
 */
export type RawLoop = {
  /** Without the start of this process. */
  readonly seconds: number;
  readonly ids: readonly string[];
};

const [file = '', atOnce = ''] = process.argv.slice(2);
const scripts = JSON.parse(await readFile(file, 'utf8')) as readonly Submission[];
const startMs = performance.now();
const ids = await submitAll(scripts, Number(atOnce));
const answer: RawLoop = { seconds: (performance.now() - startMs) / 1000, ids };
process.stdout.write(JSON.stringify(answer));

async function submitAll(all: readonly Submission[], lanes: number): Promise<readonly string[]> {
  const known: string[] = [];
  const waiting = all.values();
  const lane = async (): Promise<void> => {
    for (const one of waiting) known.push(await sbatch(one));
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return known;
}
