import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { policyOf, type Settings, siteOf } from '../config.ts';
import type { Deps } from '../controller/deps.ts';
import { createController } from '../controller/run.ts';
import { createHttpProber } from '../probe/http.ts';
import { readLogTail } from '../probe/log-tail.ts';
import { err, ok, type Result } from '../result.ts';
import { createSecretDirectory } from '../secrets/directory.ts';
import { createStandaloneSecrets } from '../secrets/standalone.ts';
import type { Slurm } from '../slurm/slurm.ts';
import { createDirectoryStore } from '../store/directory/store.ts';
import type { Store } from '../store/store.ts';
import { createEventFiles } from '../telemetry/event-files.ts';
import type { Log } from '../telemetry/log.ts';
import type { Cli } from './cli.ts';
import type { KnownSecrets } from './known-secrets.ts';
import { serveScript, standInCommand } from './package.ts';

type Process = Pick<Cli, 'clock' | 'environment' | 'userId'>;

/** An operator at work on a directory. */
export type Operator = {
  readonly store: Store;
  /** Turns under way are finished; jobs live on. The cluster stays open: it is its opener's. */
  stop(): Promise<void>;
};

/**
 * @param known learns every secret that is read, for what prints
 * @param equip may put something between the controller and what it stands on
 * @returns an error in words when the directory cannot be worked on
 */
export async function startOperator(
  cli: Process,
  settings: Settings,
  log: Log,
  slurm: Slurm,
  known: KnownSecrets,
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
  });
  if (!opened.ok) return err(opened.error.message);
  const store = opened.value;
  const prober = createHttpProber({ clock: cli.clock });
  const controller = createController(equip(depsOf(cli, settings, log, known, { slurm, store, prober })));
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
  { clock, environment, userId }: Process,
  settings: Settings,
  log: Log,
  known: KnownSecrets,
  ports: Pick<Deps, 'slurm' | 'store' | 'prober'>,
): Deps {
  const { limits, intervals } = settings;
  const warn = (message: string) => log.warn(message);
  const owner = ports.store.id;
  return {
    ...ports,
    secrets: known.reader(createStandaloneSecrets({ environment, clock, warn })),
    secretFiles: known.files(createSecretDirectory({ directory: settings.secretDirectory, owner, clock, userId })),
    events: createEventFiles(settings.directory, warn),
    clock,
    log,
    policy: policyOf(settings),
    site: siteOf(settings, standInCommand()),
    body: serveScript(),
    tail: (file) => readLogTail(file, limits.maxLogBytes, known),
    entropy: () => BigInt(`0x${randomBytes(8).toString('hex')}`).toString(36),
    limits: { turns: limits.concurrency, slurmCalls: limits.slurmCalls, suspectFraction: settings.suspectFraction },
    intervals: { resyncMs: intervals.resyncSeconds * 1000, sweepMs: intervals.sweepSeconds * 1000 },
  };
}
