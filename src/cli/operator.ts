import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import type { Catalog } from '../api/catalog.ts';
import { policyOf, type Settings, siteOf } from '../config.ts';
import type { Deps } from '../controller/deps.ts';
import { createController } from '../controller/run.ts';
import { createHttpProber } from '../probe/http.ts';
import { readLogTail } from '../probe/log-tail.ts';
import { err, ok, type Result } from '../result.ts';
import type { Slurm } from '../slurm/slurm.ts';
import { createDirectoryStore } from '../store/directory/store.ts';
import type { Store } from '../store/store.ts';
import { createEventFiles } from '../telemetry/event-files.ts';
import type { Log } from '../telemetry/log.ts';
import type { Cli } from './cli.ts';
import { serveScript, standInCommand } from './package.ts';

/** An operator at work on a directory. */
export type Operator = {
  readonly store: Store;
  /** Turns under way are finished; jobs live on. The cluster stays open: it is its opener's. */
  stop(): Promise<void>;
};

/**
 * @param equip may put something between the controller and what it stands on
 * @returns an error in words when the directory cannot be worked on
 */
export async function startOperator(
  cli: Pick<Cli, 'clock'>,
  { settings, catalog }: { readonly settings: Settings; readonly catalog: Catalog },
  log: Log,
  slurm: Slurm,
  equip: (deps: Deps) => Deps = (deps) => deps,
): Promise<Result<Operator, string>> {
  try {
    await mkdir(settings.logDirectory, { recursive: true });
  } catch (error) {
    return err(`the log directory cannot be made: ${(error as Error).message}`);
  }
  const opened = await createDirectoryStore({
    directory: settings.directory,
    clock: cli.clock,
    log: (message) => log.warn(message),
    rescanMs: settings.intervals.rescanSeconds * 1000,
    catalog,
  });
  if (!opened.ok) return err(opened.error.message);
  const store = opened.value;
  const prober = createHttpProber({ clock: cli.clock });
  const controller = createController(equip(depsOf(cli, settings, log, { slurm, store, prober }, catalog)));
  await controller.start();
  return ok({
    store,
    async stop() {
      await controller.stop();
      await Promise.all([prober.close(), store.close()]);
    },
  });
}

function depsOf(
  cli: Pick<Cli, 'clock'>,
  settings: Settings,
  log: Log,
  ports: Pick<Deps, 'slurm' | 'store' | 'prober'>,
  catalog: Catalog,
): Deps {
  const { limits, intervals } = settings;
  return {
    ...ports,
    events: createEventFiles(settings.directory, (message) => log.warn(message)),
    clock: cli.clock,
    log,
    policy: policyOf(settings),
    site: siteOf(settings, standInCommand(), catalog),
    body: serveScript(),
    tail: (file) => readLogTail(file, limits.maxLogBytes),
    entropy: () => BigInt(`0x${randomBytes(8).toString('hex')}`).toString(36),
    limits: { turns: limits.concurrency, slurmCalls: limits.slurmCalls, suspectFraction: settings.suspectFraction },
    intervals: { resyncMs: intervals.resyncSeconds * 1000, sweepMs: intervals.sweepSeconds * 1000 },
  };
}
