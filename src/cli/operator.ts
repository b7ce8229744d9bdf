import { mkdir } from 'node:fs/promises';
import { createControllers } from '../controller/clusters.ts';
import type { Deps } from '../controller/deps.ts';
import { createHttpProber } from '../probe/http.ts';
import { err, ok, type Result } from '../result.ts';
import { createStandaloneSecrets } from '../secrets/standalone.ts';
import { createDirectoryStore } from '../store/directory/store.ts';
import type { Store } from '../store/store.ts';
import { createEventFiles } from '../telemetry/event-files.ts';
import type { Log } from '../telemetry/log.ts';
import { depsOf, type Process } from './deps.ts';
import type { Loaded } from './global-options.ts';
import type { KnownSecrets } from './known-secrets.ts';
import type { OpenCluster } from './open-clusters.ts';
import { openTelemetry } from './telemetry.ts';

/** An operator at work on a directory. */
export type Operator = {
  readonly store: Store;
  /** Turns under way are finished; jobs live on. The clusters stay open: they are their opener's. */
  stop(): Promise<void>;
};

/**
 * @param known learns every secret that is read, for what prints
 * @param equip may put something between the controller and what it stands on
 * @returns an error in words when the directory cannot be worked on
 */
export async function startOperator(
  cli: Process,
  { settings, catalog }: Pick<Loaded, 'settings' | 'catalog'>,
  log: Log,
  clusters: readonly OpenCluster[],
  known: KnownSecrets,
  equip: (deps: Deps) => Deps = (deps) => deps,
): Promise<Result<Operator, string>> {
  if (clusters.some(({ settings: its }) => its.cluster.rest.namespaceCredentials.secretName !== undefined))
    return err(
      'rest.namespaceCredentials needs Kubernetes: on a directory there are no Secrets, and one person’s jobs',
    );
  try {
    await Promise.all(
      clusters.map(async ({ settings: { logDirectory }, slurm: { far } }) => {
        if (!far?.logs) return void (await mkdir(logDirectory, { recursive: true }));
        // An operator may begin while the way to its cluster is closed.
        const trouble = await far.logs.makeDirectory(logDirectory);
        if (trouble !== undefined) log.warn(`the log directory cannot be made over there yet: ${trouble}`);
      }),
    );
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
  const telemetry = await openTelemetry(settings, log, {
    clock: cli.clock,
    store,
    ready: { store: () => silence(store) },
  });
  if (!telemetry.ok) {
    await store.close();
    return telemetry;
  }
  const warn = (message: string): void => log.warn(message);
  const events = createEventFiles(settings.directory, warn);
  const secrets = createStandaloneSecrets({ environment: cli.environment, clock: cli.clock, warn });
  const all = clusters.map(({ settings: its, slurm }) => {
    const prober = createHttpProber({ clock: cli.clock, ...(slurm.far?.way && { way: slurm.far.way }) });
    const ports = { slurm, store, prober, events, secrets };
    return equip(telemetry.value.metered(depsOf(cli, { settings: its, catalog }, log, known, ports, slurm.far)));
  });
  const controller = createControllers(all);
  await controller.start();
  return ok({
    store,
    async stop() {
      await controller.stop();
      await Promise.all([...all.map(({ prober }) => prober.close()), store.close(), telemetry.value.close()]);
    },
  });
}

/** Why the store does not answer, if it does not. */
export async function silence(store: Pick<Store, 'list'>): Promise<string | undefined> {
  const listed = await store.list();
  return listed.ok ? undefined : listed.error.message;
}
