import { readFileSync } from 'node:fs';
import os from 'node:os';
import type { Settings } from '../config.ts';
import { err, ok, type Result } from '../result.ts';
import { createSlurmCli } from '../slurm/cli/cli.ts';
import { createLocalCluster } from '../slurm/local/local.ts';
import { createSlurmRest } from '../slurm/rest/rest.ts';
import { createTokenFile } from '../slurm/rest/token.ts';
import type { Slurm } from '../slurm/slurm.ts';
import type { Cli } from './cli.ts';
import { chooseCluster } from './cluster.ts';
import { type Far, openFar } from './far.ts';

/** With what else is reached by the way its commands go; undefined: all of it is here. */
export type Cluster = Slurm & { readonly far?: Far };

/** The cluster the settings mean. @returns an error in words when it cannot be had */
export async function openSlurm(cli: Cli, settings: Settings): Promise<Result<Cluster, string>> {
  const { type } = chooseCluster(settings, cli);
  const { name = type, commandPrefix, binDirectory, timeoutSeconds } = settings.cluster;
  if (type !== 'rest' && settings.cluster.rest.namespaceCredentials.secretName !== undefined)
    return err(
      'cluster.rest.namespaceCredentials needs cluster.type rest: by SLURM’s commands jobs are always the user’s who runs them',
    );
  if (type === 'slurm') {
    const far = openFar(cli, settings);
    const slurm = createSlurmCli({
      cluster: name,
      clock: cli.clock,
      commandPrefix,
      ...(binDirectory !== undefined && { binDirectory }),
      timeoutMs: timeoutSeconds * 1000,
      environment: cli.environment,
      ...(far && { runner: far.runner }),
    });
    return ok(far ? { ...slurm, far, close: far.close } : slurm);
  }
  if (type === 'rest') return openRest(cli, name, settings.cluster);
  const { directory, gpus, cpus = os.availableParallelism() } = settings.local;
  return createLocalCluster({ directory, clock: cli.clock, cluster: name, gpus, cpus });
}

function openRest(
  { clock, environment }: Cli,
  cluster: string,
  { rest, timeoutSeconds }: Settings['cluster'],
): Result<Slurm, string> {
  const { url, socket, tokenFile, caFile, user = environment.USER ?? os.userInfo().username } = rest;
  let ca: string | undefined;
  try {
    ca = caFile === undefined ? undefined : readFileSync(caFile, 'utf8');
  } catch (error) {
    return err(`cluster.rest.caFile cannot be read: ${(error as Error).message}`);
  }
  const token =
    tokenFile === undefined
      ? undefined
      : createTokenFile({
          file: tokenFile,
          clock,
          privileged: rest.allowPrivilegedToken,
          ...(rest.user !== undefined && { user: rest.user }),
        });
  return ok(
    createSlurmRest({
      cluster,
      clock,
      server: {
        url: url ?? 'http://localhost',
        ...(socket !== undefined && { socketPath: socket }),
        ...(ca !== undefined && { ca }),
      },
      ...(token ? { token: token.read } : { user }),
      severalUsers: rest.namespaceCredentials.secretName !== undefined,
      timeoutMs: timeoutSeconds * 1000,
    }),
  );
}
