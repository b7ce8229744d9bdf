import { randomBytes } from 'node:crypto';
import { policyOf, type Settings, siteOf } from '../config.ts';
import type { Deps } from '../controller/deps.ts';
import { readLogTail } from '../probe/log-tail.ts';
import type { Log } from '../telemetry/log.ts';
import type { Cli } from './cli.ts';
import { serveScript, standInCommand } from './package.ts';

/** What a controller stands on, as the settings have it. */
export function depsOf(
  cli: Pick<Cli, 'clock'>,
  settings: Settings,
  log: Log,
  ports: Pick<Deps, 'slurm' | 'store' | 'prober' | 'events'>,
): Deps {
  const { limits, intervals } = settings;
  return {
    ...ports,
    clock: cli.clock,
    log,
    policy: policyOf(settings),
    site: siteOf(settings, standInCommand()),
    body: serveScript(),
    tail: (file) => readLogTail(file, limits.maxLogBytes),
    entropy: () => BigInt(`0x${randomBytes(8).toString('hex')}`).toString(36),
    limits: { turns: limits.concurrency, slurmCalls: limits.slurmCalls, suspectFraction: settings.suspectFraction },
    intervals: { resyncMs: intervals.resyncSeconds * 1000, sweepMs: intervals.sweepSeconds * 1000 },
  };
}
