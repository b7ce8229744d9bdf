import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import type { Settings } from '../config.ts';
import type { Cli } from './cli.ts';

export type ChosenCluster = { readonly type: 'slurm' | 'rest' | 'local'; readonly why: string };

/** Which cluster `cluster.type` means here, and why: the operator says so in its first line. */
export function chooseCluster({ cluster }: Pick<Settings, 'cluster'>, cli: Pick<Cli, 'environment'>): ChosenCluster {
  if (cluster.type !== 'auto') return { type: cluster.type, why: `cluster.type is ${cluster.type}` };
  if (cluster.ssh.host !== undefined) return { type: 'slurm', why: 'cluster.ssh.host is set' };
  if (cluster.commandPrefix.length > 0) return { type: 'slurm', why: 'cluster.commandPrefix is set' };
  if (cluster.binDirectory !== undefined) return { type: 'slurm', why: 'cluster.binDirectory is set' };
  const sbatch = onPath('sbatch', cli.environment.PATH ?? '');
  if (sbatch !== undefined) return { type: 'slurm', why: `${sbatch} is there` };
  return { type: 'local', why: 'there is no sbatch on PATH' };
}

function onPath(program: string, searchPath: string): string | undefined {
  return searchPath
    .split(path.delimiter)
    .filter((directory) => path.isAbsolute(directory))
    .map((directory) => path.join(directory, program))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
