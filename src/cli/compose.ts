import os from 'node:os';
import type { Settings } from '../config.ts';
import { ok, type Result } from '../result.ts';
import { createSlurmCli } from '../slurm/cli/cli.ts';
import { createLocalCluster } from '../slurm/local/local.ts';
import type { Slurm } from '../slurm/slurm.ts';
import type { Cli } from './cli.ts';
import { chooseCluster } from './cluster.ts';

/** The cluster the settings mean. @returns an error in words when it cannot be had */
export async function openSlurm(cli: Cli, settings: Settings): Promise<Result<Slurm, string>> {
  const { type } = chooseCluster(settings, cli);
  const { name = type, commandPrefix, binDirectory, timeoutSeconds } = settings.cluster;
  if (type === 'slurm') {
    return ok(
      createSlurmCli({
        cluster: name,
        clock: cli.clock,
        commandPrefix,
        ...(binDirectory !== undefined && { binDirectory }),
        timeoutMs: timeoutSeconds * 1000,
        environment: cli.environment,
      }),
    );
  }
  const { directory, gpus, cpus = os.availableParallelism() } = settings.local;
  return createLocalCluster({ directory, clock: cli.clock, cluster: name, gpus, cpus });
}
