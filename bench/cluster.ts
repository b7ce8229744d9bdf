import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JOB_NAME_PREFIX } from '../src/slurm/identity.ts';
import { type Bed, type BedOptions, startBed } from '../test/live/slurm-bed/bed.ts';
import { until } from './until.ts';

/** Where something is measured: a cluster and a directory that nobody has used before. */
export type Ground = { readonly bed: Bed; readonly scratch: string };

/** One job holds every node whole for a day: what is submitted waits in the queue, and no node is measured. */
export function onOccupiedBed<T>(measure: (ground: Ground) => Promise<T>, options: BedOptions = {}): Promise<T> {
  return onBed(async (ground) => {
    await occupy(ground.bed);
    return measure(ground);
  }, options);
}

export async function onBed<T>(measure: (ground: Ground) => Promise<T>, options: BedOptions = {}): Promise<T> {
  const scratch = await mkdtemp(join(tmpdir(), 'bench-'));
  try {
    const bed = await startBed(options);
    try {
      return await measure({ bed, scratch });
    } finally {
      await bed.stop();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function occupy(bed: Bed): Promise<void> {
  const whole = ['--exclusive', `--nodes=${bed.nodeNames.length}`, '--time=1-0', '--no-requeue', '--output=/dev/null'];
  await bed.run('sbatch', '--job-name=occupant', ...whole, '--wrap=sleep 86400');
  await until('the nodes are occupied', 60_000, async () => {
    const state = await bed.run('squeue', '--noheader', '--name=occupant', '--format=%T');
    return state === 'RUNNING' || undefined;
  });
}

/** @returns ids of the operator's jobs on record, by job name */
export async function jobIds(bed: Bed): Promise<ReadonlyMap<string, string>> {
  const lines = (await bed.run('squeue', '--noheader', '--states=all', '--format=%A %j')).split('\n');
  const jobs = lines.map((line) => line.trim().split(' ')).filter(([, name]) => name?.startsWith(JOB_NAME_PREFIX));
  return new Map(jobs.map(([id = '', name = '']) => [name, id]));
}
