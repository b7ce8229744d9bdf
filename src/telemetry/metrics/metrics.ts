import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Clock } from '../../clock.ts';
import type { Deps } from '../../controller/deps.ts';
import type { Store } from '../../store/store.ts';
import { credentialMetrics } from './credentials.ts';
import { deploymentMetrics } from './deployments.ts';
import { NAME, queueMeters } from './queue.ts';
import { slurmMetrics } from './slurm.ts';
import { storeMetrics } from './store.ts';

export type Metrics = {
  /** The same ports, counted. */
  metered(deps: Deps): Deps;
  /** In Prometheus' text format, and its content type. */
  page(): Promise<{ readonly text: string; readonly type: string }>;
};

export type MetricsOptions = {
  readonly clock: Clock;
  readonly version: string;
  /** Read when somebody looks; answers from memory. */
  readonly store: Pick<Store, 'list'>;
  /** Where only one of several acts. */
  readonly leads?: () => boolean;
  /** Where there are rules for namespaces: why their newest version is not used; undefined: it is. */
  readonly rulesTrouble?: () => string | undefined;
};

/** Each call makes a registry of its own; the names of controller-runtime where there is one. */
export function createMetrics({ clock, version, store, leads, rulesTrouble }: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const meterOf = queueMeters(registers);
  const calls = slurmMetrics(registers, clock);
  const writes = storeMetrics(registers);
  const known = credentialMetrics(registers);
  new Gauge({
    name: 'vllm_slurm_build_info',
    help: 'Always 1; the label tells the version.',
    labelNames: ['version'],
    registers,
  }).set({ version }, 1);
  if (leads)
    new Gauge({
      name: 'leader_election_master_status',
      help: '1 while this process leads, 0 while it stands by.',
      labelNames: ['name'],
      registers,
      collect() {
        this.set({ name: NAME }, leads() ? 1 : 0);
      },
    });
  if (rulesTrouble)
    new Gauge({
      name: 'vllm_slurm_tenancy_file_in_use',
      help: '1 while the rules for namespaces are those of their file, 0 while it has a mistake and earlier ones count.',
      registers,
      collect() {
        this.set(rulesTrouble() === undefined ? 1 : 0);
      },
    });
  const look = deploymentMetrics(registers, store);

  return {
    metered: (deps) => ({
      ...deps,
      meter: meterOf(deps.slurm.cluster),
      slurm: calls(deps.slurm),
      store: writes(deps.store),
      ...(deps.credentials && { credentials: known(deps.slurm.cluster, deps.credentials) }),
    }),
    async page() {
      await look();
      return { text: await registry.metrics(), type: registry.contentType };
    },
  };
}
