import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ground } from './abuse.ts';

export const CANARY = 'canary-7d3f';

/** Directories a key opens, one it does not, and stand-ins for SLURM's programs that note that they were run. */
export type AbuseGround = Ground & {
  readonly directory: string;
  readonly bin: string;
  /** Command lines of the stand-ins, in order. */
  ran(): Promise<readonly string[]>;
  /** All there is outside. */
  outsiders(): Promise<readonly string[]>;
  remove(): Promise<void>;
};

const PROGRAMS = [
  'sbatch',
  'squeue',
  'scancel',
  'scontrol',
  'sinfo',
  'sacct',
  'sacctmgr',
  'srun',
  'salloc',
  'touch_trace',
];

export async function abuseGround(): Promise<AbuseGround> {
  const directory = await mkdtemp(join(tmpdir(), 'far-shell-'));
  const at = (name: string): string => join(directory, name);
  const ground = { logs: at('logs'), secrets: at('secrets'), outside: at('outside'), bin: at('bin') };
  for (const path of Object.values(ground)) await mkdir(path, { mode: 0o700 });
  await writeFile(at('outside/canary'), CANARY);
  await writeFile(at('logs/a.log'), 'one\ntwo\n');
  await symlink(at('outside/canary'), at('logs/link'));
  await symlink(at('outside'), at('logs/way'));
  await symlink(at('outside'), at('secrets/linked'));
  for (const name of PROGRAMS) {
    await writeFile(at(`bin/${name}`), `#!/bin/sh\necho "$0 $*" >>${at('ran')}\n`);
    await chmod(at(`bin/${name}`), 0o755);
  }
  return {
    ...ground,
    directory,
    ran: async () => (await readFile(at('ran'), 'utf8').catch(() => '')).split('\n').filter(Boolean),
    outsiders: () => readdir(at('outside')),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
