import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { mkdir } from 'node:fs/promises';
import os from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { steadyClock } from '../clock.ts';
import { createControllers } from '../controller/clusters.ts';
import type { Deps } from '../controller/deps.ts';
import { fenced } from '../controller/fence.ts';
import { withinNamespaces } from '../controller/scope.ts';
import { createKubernetesApi } from '../kubernetes/client.ts';
import { loadCredentials } from '../kubernetes/credentials.ts';
import { createKubernetesLease } from '../kubernetes/lease.ts';
import { ELECTION_TIMING, type Election, startElection } from '../lease/election.ts';
import { createTerms } from '../lease/terms.ts';
import { createHttpProber } from '../probe/http.ts';
import { createServices } from '../publish/services.ts';
import { err, ok, type Result } from '../result.ts';
import { createKubernetesSecrets } from '../secrets/kubernetes.ts';
import { createKubernetesStore } from '../store/kubernetes/store.ts';
import type { Store } from '../store/store.ts';
import { createEventObjects } from '../telemetry/event-objects.ts';
import type { Log } from '../telemetry/log.ts';
import { depsOf, type Process } from './deps.ts';
import type { Loaded } from './global-options.ts';
import type { KnownSecrets } from './known-secrets.ts';
import type { OpenCluster } from './open-clusters.ts';
import { type Operator, silence } from './operator.ts';
import { packageVersion } from './package.ts';
import { type FollowedTenancy, followTenancy } from './settings/follow-tenancy.ts';
import { openTelemetry } from './telemetry.ts';

const REFRESH_RETRY_MS = 1_000;

/**
 * An operator at work on resources of a Kubernetes API server; with others of its kind it acts only while it leads.
 * @param known learns every secret that is read, for what prints
 * @param equip may put something between the controller and what it stands on
 * @returns an error in words when the API server cannot be had
 */
export async function startKubernetesOperator(
  cli: Process,
  { settings, catalog }: Pick<Loaded, 'settings' | 'catalog'>,
  log: Log,
  clusters: readonly OpenCluster[],
  known: KnownSecrets,
  equip: (deps: Deps) => Deps = (deps) => deps,
): Promise<Result<Operator, string>> {
  const { kubernetes } = settings;
  const { clock } = cli;
  const credentials = loadCredentials({
    ...(kubernetes.kubeconfig !== undefined && { kubeconfig: kubernetes.kubeconfig }),
    ...(kubernetes.context !== undefined && { context: kubernetes.context }),
  });
  if (!credentials.ok) return credentials;
  const warn = (message: string): void => log.warn(message);
  const rules: FollowedTenancy[] = [];
  const closeRules = (): void => {
    for (const one of rules) one.close();
  };
  if (kubernetes.tenancyFile !== undefined)
    for (const { slurm } of clusters) {
      const followed = await followTenancy(
        { file: kubernetes.tenancyFile, cluster: slurm.cluster, catalog },
        { clock, info: (message) => log.info(message), warn },
      );
      if (!followed.ok) {
        closeRules();
        return followed;
      }
      rules.push(followed.value);
    }
  const identity = `${os.hostname()}_${randomBytes(4).toString('hex')}`;
  const api = createKubernetesApi(credentials.value, `vllm-slurm-operator/${packageVersion()}`);

  // Probes are answered from the beginning: the first list may take its time.
  let store: Store | undefined;
  let election: Election | undefined;
  const listed: Pick<Store, 'list'> = {
    list: async () => store?.list() ?? err({ kind: 'unavailable', message: 'the deployments are not listed yet' }),
  };
  const leads = (): boolean => election?.leads() ?? !kubernetes.leaderElect;
  const telemetry = await openTelemetry(settings, log, {
    clock,
    store: listed,
    ready: { store: () => silence(listed) },
    leads,
    // One file, whichever cluster it is read for.
    ...(rules[0] && { rulesTrouble: rules[0].trouble }),
  });
  if (!telemetry.ok) {
    closeRules();
    await api.close();
    return telemetry;
  }
  const opened = await createKubernetesStore({
    api,
    clock,
    random: Math.random,
    log: warn,
    namespaces: kubernetes.watchNamespaces,
    catalog,
    ...(kubernetes.clusterId !== undefined && { id: kubernetes.clusterId }),
  });
  if (!opened.ok) {
    closeRules();
    await Promise.all([telemetry.value.close(), api.close()]);
    return err(opened.error.message);
  }
  store = opened.value;
  // The jobs may run where this machine's file systems are unknown: their log directory is for them to make.
  await Promise.all(
    clusters.map(async ({ settings: { logDirectory }, slurm: { far } }) => {
      const trouble = far?.logs
        ? await far.logs.makeDirectory(logDirectory)
        : await mkdir(logDirectory, { recursive: true }).then(
            () => undefined,
            (error: Error) => error.message,
          );
      if (trouble !== undefined)
        warn(`the log directory cannot be made here, failures are told without the end of the log: ${trouble}`);
    }),
  );
  const secrets = createKubernetesSecrets(api);
  const events = createEventObjects({ api, clock, instance: identity, onError: warn });
  const terms = createTerms(
    opened.value,
    clock,
    (error) => log.error({ error }, 'a term of leadership failed'),
    async (termStore) => {
      // What the leader before did in its last moments is seen before anything is decided.
      while (leads() && !(await opened.value.refresh()).ok) await delay(REFRESH_RETRY_MS);
      const all = clusters.map(({ settings: its, slurm }, index): Deps => {
        const ports = {
          slurm: withinNamespaces(slurm, kubernetes.watchNamespaces),
          store: termStore,
          prober: createHttpProber({ clock, ...(slurm.far?.way && { way: slurm.far.way }) }),
          events,
          secrets,
        };
        const deps = depsOf(cli, { settings: its, catalog }, log, known, ports, slurm.far);
        const tenancy = rules[index];
        // Of this term and cluster: what it remembers as published, another leader or cluster may have changed since.
        const publisher = kubernetes.publishServices ? createServices({ api, clock, resolve: lookUp }) : undefined;
        const published = { ...deps, ...(tenancy && { tenancy }), ...(publisher && { publisher }) };
        return equip(telemetry.value.metered(fenced(published, leads)));
      });
      const controller = createControllers(all);
      async function stop(): Promise<void> {
        await controller.stop();
        await Promise.all(all.map(({ prober }) => prober.close()));
      }
      try {
        await controller.start();
      } catch (error) {
        await stop();
        throw error;
      }
      return { stop };
    },
  );
  if (kubernetes.leaderElect) {
    const { retryMs } = ELECTION_TIMING;
    election = startElection({
      lease: createKubernetesLease({
        api,
        namespace: kubernetes.leaseNamespace ?? credentials.value.namespace,
        name: kubernetes.leaseName,
        clock,
        timeoutMs: retryMs * 2,
      }),
      clock: steadyClock,
      identity,
      random: Math.random,
      changed: terms.turn,
      log: (message) => log.info(message),
    });
  } else terms.turn(true);
  const { value } = opened;
  return ok({
    store: value,
    async stop() {
      closeRules();
      await terms.end();
      await events.close();
      await election?.stop();
      await Promise.all([value.close(), telemetry.value.close()]);
      await api.close();
    },
  });
}

/** DNS as this machine knows it: the very names that probes go to. */
async function lookUp(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTFOUND') return [];
    throw error;
  }
}
