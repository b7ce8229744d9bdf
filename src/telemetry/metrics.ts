import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import type { Deps } from '../controller/deps.ts';
import type { QueueMeter } from '../controller/queue.ts';
import type { Result } from '../result.ts';
import type { Slurm } from '../slurm/slurm.ts';
import type { Store } from '../store/store.ts';

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
};

/** Both label values of everything that controller-runtime's dashboards select by. */
const NAME = 'vllmdeployment';
const TURN_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60];
const CALL_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Each call makes a registry of its own; the names of controller-runtime where there is one. */
export function createMetrics({ clock, version, store, leads }: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const calls = slurmMetrics(registers, clock);
  const writes = new Counter({
    name: 'vllm_slurm_store_writes_total',
    help: 'Writes to resources by kind and result; nothing changes, nothing is written.',
    labelNames: ['write', 'result'],
    registers,
  });
  const failures = new Counter({
    name: 'vllm_slurm_failures_total',
    help: 'Attempts that ended badly, by the reason of the failure table.',
    labelNames: ['reason'],
    registers,
  });
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
  deploymentMetrics(registers, store);

  function countedStore(counted: Store): Store {
    const count = async <T, E extends { readonly kind: string }>(write: string, answer: Promise<Result<T, E>>) => {
      const result = await answer;
      writes.inc({ write, result: result.ok ? 'ok' : result.error.kind });
      return result;
    };
    return {
      ...counted,
      async writeStatus(seen, status) {
        const written = await count('status', counted.writeStatus(seen, status));
        const { lastFailure } = status;
        const known = seen.status.lastFailure;
        const isNew = lastFailure && (lastFailure.time !== known?.time || lastFailure.replica !== known.replica);
        if (written.ok && isNew) failures.inc({ reason: lastFailure.reason });
        return written;
      },
      addFinalizer: (seen) => count('finalizer', counted.addFinalizer(seen)),
      releaseFinalizer: (seen) => count('release', counted.releaseFinalizer(seen)),
    };
  }

  const meter = queueMeter(registers);
  return {
    metered: (deps) => ({ ...deps, meter, slurm: calls(deps.slurm), store: countedStore(deps.store) }),
    page: async () => ({ text: await registry.metrics(), type: registry.contentType }),
  };
}

type Registers = Registry[];

function queueMeter(registers: Registers): QueueMeter {
  const labelNames = ['name'];
  const name = { name: NAME };
  const controller = { controller: NAME };
  const depth = new Gauge({ name: 'workqueue_depth', help: 'Deployments waiting for a turn.', labelNames, registers });
  const adds = new Counter({ name: 'workqueue_adds_total', help: 'Put in line.', labelNames, registers });
  const retries = new Counter({
    name: 'workqueue_retries_total',
    help: 'Put in line again after a turn that failed.',
    labelNames,
    registers,
  });
  const waited = new Histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'From being put in line to the turn.',
    labelNames,
    buckets: TURN_SECONDS,
    registers,
  });
  const worked = new Histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'Of a turn.',
    labelNames,
    buckets: TURN_SECONDS,
    registers,
  });
  const turns = new Counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Turns by result.',
    labelNames: ['controller', 'result'],
    registers,
  });
  const errors = new Counter({
    name: 'controller_runtime_reconcile_errors_total',
    help: 'Turns that failed.',
    labelNames: ['controller'],
    registers,
  });
  const took = new Histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'Of a turn.',
    labelNames: ['controller'],
    buckets: TURN_SECONDS,
    registers,
  });
  // A counter that has never counted is there all the same: alerts on its growth need the zero.
  depth.set(name, 0);
  for (const counter of [adds, retries]) counter.inc(name, 0);
  errors.inc(controller, 0);
  for (const result of ['success', 'requeue_after', 'error']) turns.inc({ ...controller, result }, 0);
  return {
    added(waiting) {
      depth.set(name, waiting);
      adds.inc(name);
    },
    taken(waiting, waitedMs) {
      depth.set(name, waiting);
      waited.observe(name, waitedMs / 1000);
    },
    turned(result, tookMs) {
      worked.observe(name, tookMs / 1000);
      took.observe(controller, tookMs / 1000);
      turns.inc({ ...controller, result });
      if (result !== 'error') return;
      errors.inc(controller);
      retries.inc(name);
    },
  };
}

function slurmMetrics(registers: Registers, clock: Clock): (slurm: Slurm) => Slurm {
  const durations = new Histogram({
    name: 'vllm_slurm_call_duration_seconds',
    help: 'Of calls to SLURM, by call and result.',
    labelNames: ['call', 'result'],
    buckets: CALL_SECONDS,
    registers,
  });
  const submissions = new Counter({
    name: 'vllm_slurm_submissions_total',
    help: 'Submissions by result; `unknown` may have landed.',
    labelNames: ['result'],
    registers,
  });
  const jobs = new Gauge({
    name: 'vllm_slurm_jobs',
    help: 'Jobs in the last complete listing, by state.',
    labelNames: ['state'],
    registers,
  });
  let listedMs: number | undefined;
  new Gauge({
    name: 'vllm_slurm_listing_age_seconds',
    help: 'Since the last complete listing; absent before the first.',
    registers,
    collect() {
      if (listedMs === undefined) this.reset();
      else this.set(Math.max(0, clock.now() - listedMs) / 1000);
    },
  });
  return (slurm) => {
    const timed = async <T, E extends { readonly kind: string }>(call: string, ask: () => Promise<Result<T, E>>) => {
      const beganMs = clock.now();
      const answer = await ask();
      const result = answer.ok ? 'ok' : answer.error.kind;
      durations.observe({ call, result }, Math.max(0, clock.now() - beganMs) / 1000);
      return answer;
    };
    return {
      ...slurm,
      async listJobs() {
        const listing = await timed('listJobs', () => slurm.listJobs());
        if (!listing.ok) return listing;
        listedMs = listing.value.askedAtMs;
        jobs.reset();
        for (const { state } of listing.value.jobs) jobs.inc({ state });
        return listing;
      },
      describe: (refs) => timed('describe', () => slurm.describe(refs)),
      history: (names, sinceMs) => timed('history', () => slurm.history(names, sinceMs)),
      async submit(submission) {
        const answer = await timed('submit', () => slurm.submit(submission));
        submissions.inc({ result: answer.ok ? 'ok' : answer.error.kind });
        return answer;
      },
      cancel: (ref) => timed('cancel', () => slurm.cancel(ref)),
      nodes: () => timed('nodes', () => slurm.nodes()),
    };
  };
}

function deploymentMetrics(registers: Registers, store: Pick<Store, 'list'>): void {
  const labelNames = ['namespace', 'name'];
  const ready = new Gauge({
    name: 'vllm_slurm_deployment_ready_replicas',
    help: 'Replicas whose endpoint answers.',
    labelNames,
    registers,
  });
  const phases = new Gauge({
    name: 'vllm_slurm_deployments',
    help: 'Deployments by phase.',
    labelNames: ['phase'],
    registers,
  });
  new Gauge({
    name: 'vllm_slurm_deployment_replicas',
    help: 'Replicas asked for.',
    labelNames,
    registers,
    async collect() {
      const listed = await store.list();
      for (const gauge of [this, ready, phases]) gauge.reset();
      if (!listed.ok) return;
      for (const { key, spec, status } of listed.value) {
        this.set({ ...key }, spec?.replicas ?? 0);
        ready.set({ ...key }, status.readyReplicas ?? 0);
        phases.inc({ phase: status.phase ?? 'Pending' });
      }
    },
  });
}
