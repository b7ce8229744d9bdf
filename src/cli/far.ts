import type { Settings } from '../config.ts';
import type { SecretFiles } from '../secrets/secrets.ts';
import { passedOn } from '../slurm/cli/command-line.ts';
import type { Runner } from '../slurm/cli/run.ts';
import { createSshConnection } from '../ssh/connection.ts';
import { createFarLogs, type FarLogs } from '../ssh/far-logs.ts';
import { createFarRunner } from '../ssh/far-runner.ts';
import { createFarSecrets } from '../ssh/far-secrets.ts';
import { createForwards, type Forwards } from '../ssh/forwards.ts';
import type { Cli } from './cli.ts';
import { farShellProgram } from './package.ts';

/** The machine that `cluster.ssh.host` names, through one connection; it is made when something is first asked of it. */
export type Far = {
  /** For SLURM's commands. */
  readonly runner: Runner;
  /** Undefined where the files are here too. */
  readonly logs: FarLogs | undefined;
  /** @param owner the store's id */
  readonly secretFiles: ((owner: string) => SecretFiles) | undefined;
  /** Undefined where compute nodes are reached from here. */
  readonly way: Forwards | undefined;
  close(): Promise<void>;
};

/** Of a listing of 250,000 jobs. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** @returns undefined when SLURM's commands run here */
export function openFar(
  { clock, environment }: Pick<Cli, 'clock' | 'environment'>,
  { cluster, secretDirectory: directory }: Pick<Settings, 'cluster' | 'secretDirectory'>,
): Far | undefined {
  const { type, ssh, binDirectory } = cluster;
  const { host, configFile, options } = ssh;
  if (host === undefined || !(type === 'auto' || type === 'slurm')) return undefined;
  const timeoutMs = cluster.timeoutSeconds * 1000;
  const connection = createSshConnection({
    host,
    configFile,
    options,
    environment: passedOn(environment),
    farShell: farShellProgram(),
    connectMs: timeoutMs / 2,
  });
  const runner = createFarRunner({
    connection,
    clock,
    binDirectory,
    timeoutMs,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    environment,
  });
  const way = ssh.endpoints ? createForwards(connection, runner) : undefined;
  return {
    runner,
    logs: ssh.files ? createFarLogs(runner) : undefined,
    secretFiles: ssh.files ? (owner) => createFarSecrets({ runner, directory, owner }) : undefined,
    way,
    async close() {
      await way?.close();
      await runner.close();
      await connection.close();
    },
  };
}
