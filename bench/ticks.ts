import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { JOB_NAME_PREFIX } from '../src/slurm/identity.ts';
import type { Bed } from '../test/live/slurm-bed/bed.ts';
import type { Ground } from './cluster.ts';
import { deploymentNames, writeDeployments } from './fleet.ts';
import { inStatusFile, knownJobs } from './known-jobs.ts';
import { deploymentsIn, withOperator } from './operator.ts';
import { readRequests } from './requests.ts';
import { until } from './until.ts';

export type Ticks = {
  readonly deployments: number;
  /** Programs of SLURM's run, by name. */
  readonly callsATick: Readonly<Record<string, number>>;
  /** What reached slurmctld, by message type. */
  readonly requestsATick: Readonly<Record<string, number>>;
  /** What squeue printed in one listing. */
  readonly listingBytes: number;
  /** Of the listing, the jobs' comments left out. */
  readonly bytesAJob: number;
};

const METERED = fileURLToPath(new URL('metered.sh', import.meta.url));
const PROGRAMS = ['sbatch', 'squeue', 'scancel', 'scontrol', 'sinfo', 'sacct'];
const TICKS = 5;
const WITHIN_MS = 300_000;

/**
 * What the operator asks of SLURM while nothing happens, each time its fleet has grown to one of the sizes.
 * @param sizes numbers of deployments, growing
 */
export async function measureTicks(ground: Ground, sizes: readonly number[]): Promise<readonly Ticks[]> {
  const directory = deploymentsIn(ground.scratch);
  const bin = join(ground.scratch, 'bin');
  await mkdir(bin);
  for (const program of PROGRAMS) await symlink(METERED, join(bin, program));
  await writeDeployments(directory, []);
  return withOperator(ground, [`cluster.binDirectory=${bin}`, 'intervals.tickSeconds=1'], async () => {
    const measured: Ticks[] = [];
    for (const [i, size] of sizes.entries()) {
      const fresh = deploymentNames(sizes[i - 1] ?? 0, size);
      await writeDeployments(directory, fresh);
      await knownJobs(inStatusFile(directory), fresh, WITHIN_MS);
      measured.push(await quietTicks(ground.bed, join(bin, 'calls'), size));
    }
    return measured;
  });
}

async function quietTicks(bed: Bed, callsFile: string, deployments: number): Promise<Ticks> {
  await nextListings(callsFile, 3); // the jobs are in the first; what came of that is done before the last
  await bed.run('sdiag', '--reset');
  const calls = await nextListings(callsFile, TICKS);
  const requests = readRequests(await bed.run('sdiag'));
  const listingBytes = calls.findLast(({ program }) => program === 'squeue')?.bytes ?? 0;
  const { jobs, commentBytes } = await queue(bed);
  return {
    deployments,
    callsATick: perTick(countByProgram(calls)),
    requestsATick: perTick(requests.entries()),
    listingBytes,
    bytesAJob: (listingBytes - commentBytes) / jobs,
  };
}

type Call = { readonly program: string; readonly bytes: number };

/** @returns every call from now until so many listings have come */
async function nextListings(callsFile: string, count: number): Promise<readonly Call[]> {
  await writeFile(callsFile, '');
  return until(`${count} listings`, WITHIN_MS, async () => {
    const lines = (await readFile(callsFile, 'utf8')).split('\n').slice(0, -1);
    const calls = lines
      .map((line) => line.split(' '))
      .map(([program = '', bytes]) => ({ program, bytes: Number(bytes) }));
    return calls.filter(({ program }) => program === 'squeue').length >= count ? calls : undefined;
  });
}

/** All a listing of the operator's holds: its own jobs, and the one that occupies the nodes. */
async function queue(bed: Bed): Promise<{ readonly jobs: number; readonly commentBytes: number }> {
  const lines = (await bed.run('squeue', '--noheader', '--me', '--states=all', '--format=%j %k')).split('\n');
  const comments = lines.map((line) => line.slice(line.indexOf(' ') + 1));
  const ours = lines.filter((line) => line.startsWith(JOB_NAME_PREFIX));
  if (ours.length === 0) throw new Error('no job of the operator is queued');
  return { jobs: lines.length, commentBytes: Buffer.byteLength(comments.join('')) };
}

function countByProgram(calls: readonly Call[]): readonly (readonly [string, number])[] {
  const byProgram = Map.groupBy(calls, ({ program }) => program);
  return Array.from(byProgram, ([program, all]) => [program, all.length]);
}

function perTick(counts: Iterable<readonly [string, number]>): Readonly<Record<string, number>> {
  return Object.fromEntries(Array.from(counts, ([name, count]) => [name, count / TICKS]));
}
