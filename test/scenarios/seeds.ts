import assert from 'node:assert/strict';
import { runSeed } from './seeded-run.ts';

/** `SEEDS=n` for another number. */
export const SEEDS = Number(process.env.SEEDS ?? 10_000);

/** Runs every `step`-th seed from `first` on; `SEED=n` runs that one alone. Fails with the seed and what led to it. */
export async function runSeeds(first: number, step: number): Promise<void> {
  const one = process.env.SEED;
  if (one !== undefined) return holds(Number(one));
  for (let seed = first; seed <= SEEDS; seed += step) await holds(seed);
}

async function holds(seed: number): Promise<void> {
  const { breach, history } = await runSeed(seed);
  if (!breach) return;
  const tail = history.split('\n').slice(-80).join('\n');
  assert.fail(`seed ${seed} breaks ${breach.promise}: ${breach.what}\nSEED=${seed} runs it again\n${tail}`);
}
