import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../../src/clock.ts';
import { createSlurmCli, type SlurmCli } from '../../../src/slurm/cli/cli.ts';
import type { Runner } from '../../../src/slurm/cli/run.ts';
import { createSshConnection, type SshConnection } from '../../../src/ssh/connection.ts';
import { createFarRunner } from '../../../src/ssh/far-runner.ts';
import type { SshBed } from './bed.ts';

const FAR_SHELL = fileURLToPath(new URL('../../../config/ssh/far-shell.sh', import.meta.url));

/** Options of an authorized key that opens nothing else. @param options `restrict` and what is allowed besides */
export const forced = (options: string, logs = '-', secrets = '-', bin = '-'): string =>
  `${options},command="${FAR_SHELL} --restricted ${logs} ${secrets} ${bin}"`;

/** The adapter over ssh, and what it stands on. */
export type Wire = {
  readonly connection: SshConnection;
  readonly runner: Runner;
  readonly slurm: SlurmCli;
  close(): Promise<void>;
};

export type WireOptions = {
  readonly timeoutMs?: number;
  readonly binDirectory?: string | undefined;
  readonly host?: string;
  readonly options?: readonly string[];
};

export function openWire(
  bed: SshBed,
  { timeoutMs = 30_000, binDirectory, host = bed.host, options }: WireOptions = {},
): Wire {
  const environment = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: bed.directory };
  const connection = createSshConnection({
    host,
    configFile: bed.configFile,
    options,
    environment,
    farShell: readFileSync(FAR_SHELL, 'utf8'),
    connectMs: timeoutMs / 2,
  });
  const runner = createFarRunner({
    connection,
    clock: systemClock,
    binDirectory,
    timeoutMs,
    maxOutputBytes: 64 * 1024 * 1024,
    environment,
  });
  return {
    connection,
    runner,
    slurm: createSlurmCli({ cluster: 'bed', clock: systemClock, runner }),
    async close() {
      await runner.close();
      await connection.close();
    },
  };
}
