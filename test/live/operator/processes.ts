import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bed } from '../slurm-bed/bed.ts';

/** Process ids of a job of the bed on this machine: everything, its batch shell, its engine. */
export type JobProcesses = {
  readonly all: readonly number[];
  readonly shell: number | undefined;
  readonly engine: number | undefined;
};

export async function jobProcesses(bed: Bed, jobId: string): Promise<JobProcesses> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => ({ pid, environment: await words(pid, 'environ'), argv: await words(pid, 'cmdline') })),
  );
  const own = found.filter(
    ({ environment, argv }) =>
      argv.length > 0 &&
      environment.includes(`SLURM_JOB_ID=${jobId}`) &&
      environment.includes(`SLURM_CONF=${bed.env.SLURM_CONF}`),
  );
  const pidOf = (is: (argv: readonly string[]) => boolean): number | undefined => own.find(({ argv }) => is(argv))?.pid;
  return {
    all: own.map(({ pid }) => pid),
    // Its children are the same program until they become something else: the parent has the lowest id.
    shell: pidOf((argv) => argv.some((word) => word.endsWith('/slurm_script'))),
    engine: pidOf((argv) => argv.some((word) => word.endsWith('/stand-in.ts'))),
  };
}

async function words(pid: number, file: 'environ' | 'cmdline'): Promise<readonly string[]> {
  const text = await readFile(join('/proc', String(pid), file), 'utf8').catch(() => '');
  return text.split('\0').filter((word) => word !== '');
}
