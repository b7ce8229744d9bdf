import { randomBytes } from 'node:crypto';
import { policyOf, siteOf } from '../config.ts';
import type { Deps } from '../controller/deps.ts';
import { readLogTail } from '../probe/log-tail.ts';
import { createSecretDirectory } from '../secrets/directory.ts';
import { createNamespaceCredentials } from '../slurm/rest/namespace-credentials.ts';
import type { Log } from '../telemetry/log.ts';
import type { Cli } from './cli.ts';
import type { Far } from './far.ts';
import type { Loaded } from './global-options.ts';
import type { KnownSecrets } from './known-secrets.ts';
import { serveScript, standInCommand } from './package.ts';

export type Process = Pick<Cli, 'clock' | 'environment' | 'userId'>;

/** What a controller stands on, as the settings have it. */
export function depsOf(
  { clock, userId }: Process,
  { settings, catalog }: Pick<Loaded, 'settings' | 'catalog'>,
  log: Log,
  known: KnownSecrets,
  ports: Pick<Deps, 'slurm' | 'store' | 'prober' | 'events' | 'secrets'>,
  far?: Pick<Far, 'logs' | 'secretFiles'>,
): Deps {
  const { limits, intervals } = settings;
  const { secretName, required } = settings.cluster.rest.namespaceCredentials;
  const secrets = known.reader(ports.secrets);
  return {
    ...ports,
    secrets,
    ...(secretName !== undefined && {
      credentials: createNamespaceCredentials({ secretName, required, secrets, clock }),
    }),
    secretFiles: known.files(
      far?.secretFiles?.(ports.store.id) ??
        createSecretDirectory({ directory: settings.secretDirectory, owner: ports.store.id, clock, userId }),
    ),
    clock,
    log,
    policy: policyOf(settings),
    site: siteOf(settings, standInCommand(), catalog),
    body: serveScript(),
    tail: (file) => (far?.logs?.tail ?? readLogTail)(file, limits.maxLogBytes, known),
    entropy: () => BigInt(`0x${randomBytes(8).toString('hex')}`).toString(36),
    limits: {
      turns: limits.concurrency,
      slurmCalls: limits.slurmCalls,
      slurmCallsPerSecond: limits.slurmCallsPerSecond,
      slurmBurst: limits.slurmBurst,
      suspectFraction: settings.suspectFraction,
    },
    intervals: { resyncMs: intervals.resyncSeconds * 1000, sweepMs: intervals.sweepSeconds * 1000 },
  };
}
