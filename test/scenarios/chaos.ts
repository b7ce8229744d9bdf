import type { SpecInput } from '../../src/api/spec.ts';
import { type Behaviour, serves, thenExits, thenHangs } from '../../src/slurm/simulated/behaviour.ts';
import type { CallName, Effect, Fault } from '../../src/slurm/simulated/faults.ts';
import type { Random } from '../../src/slurm/simulated/random.ts';
import type { SimJob } from '../../src/slurm/simulated/world.ts';
import type { StoreCall } from '../../src/store/memory.ts';
import { deployment } from '../gen/deployment.ts';
import type { Scenario } from './scenario.ts';

/** Everything that goes wrong in a seeded run, and everything people do meanwhile. */
export type Chaos = {
  readonly scenario: Scenario;
  readonly random: Random;
  /** Names of the deployments there may be. */
  readonly names: readonly string[];
};

type Mishap = { readonly weight: number; readonly happens: (chaos: Chaos) => void };

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
const between = (random: Random, low: number, high: number): number => low + Math.floor(random() * (high - low));

const CALLS: readonly CallName[] = ['listJobs', 'describe', 'history', 'submit', 'cancel', 'nodes'];
const STORE_CALLS: readonly StoreCall[] = ['list', 'get', 'writeStatus', 'addFinalizer', 'releaseFinalizer'];
const NODES = ['node001', 'node002', 'node003', 'node004'];

const MISHAPS: readonly Mishap[] = [
  // SLURM's answers
  {
    weight: 5,
    happens: ({ scenario, random }) =>
      scenario.slurmFault({ fault: oneFault(random), on: [pick(random, CALLS)], times: between(random, 1, 4) }),
  },
  {
    weight: 4,
    happens: ({ scenario, random }) =>
      scenario.slurmFault({
        fault: { kind: 'unknown', effect: anEffect(random) },
        on: ['submit'],
        times: between(random, 1, 3),
      }),
  },
  {
    weight: 2,
    happens: ({ scenario, random }) =>
      scenario.slurmFault({
        fault: pick<Fault>(random, [{ kind: 'unreachable' }, { kind: 'unknown' }]),
        on: CALLS,
        untilMs: scenario.now() + between(random, 5_000, 240_000),
      }),
  },
  {
    weight: 1,
    happens: ({ scenario, random }) =>
      scenario.slurmFault({
        fault: { kind: 'slow' },
        on: CALLS,
        chance: 0.3,
        untilMs: scenario.now() + between(random, 5_000, 60_000),
        answersAfterMs: between(random, 100, 25_000),
      }),
  },
  { weight: 1, happens: ({ scenario, random }) => scenario.crashController(between(random, 0, 8_000)) },
  {
    weight: 1,
    happens({ scenario, random }) {
      scenario.crashController(between(random, 0, 8_000));
      addForeignJob({ scenario, random, names: ['training'] }); // takes an id that was lost
    },
  },
  {
    weight: 1,
    happens: ({ scenario, random }) =>
      scenario.cluster.control.setAccounting(pick(random, ['off', { lagMs: 0 }, { lagMs: 90_000 }] as const)),
  },
  // the store
  {
    weight: 4,
    happens: ({ scenario, random }) =>
      scenario.storeFault(
        pick(random, STORE_CALLS),
        pick(random, ['conflict', 'unavailable', 'lost'] as const),
        between(random, 1, 4),
      ),
  },
  // the operator
  {
    weight: 4,
    happens({ scenario, random }) {
      if (scenario.operator().alive())
        scenario.operator().killAt(between(random, 1, 12), pick(random, ['before', 'after'] as const));
    },
  },
  { weight: 1, happens: ({ scenario }) => scenario.kill() },
  { weight: 2, happens: ({ scenario, random }) => scenario.cutNetwork(between(random, 5_000, 180_000)) },
  // the cluster
  {
    weight: 3,
    happens: ({ scenario, random }) =>
      scenario.cluster.control.failNode(pick(random, NODES), {
        detectMs: pick(random, [0, 5_000, 120_000]),
        forMs: between(random, 20_000, 300_000),
        ghostMs: pick(random, [0, 60_000]),
      }),
  },
  { weight: 6, happens: harmOneJob },
  {
    weight: 1,
    happens: ({ scenario, random }) =>
      scenario.cluster.control.setRules({
        hold: pick(random, [undefined, undefined, 'QOSGrpNodeLimit', 'PartitionDown']),
        completingMs: pick(random, [0, 0, 20_000, 120_000]),
        minJobAgeMs: pick(random, [30_000, 300_000]),
        namesFailedNodes: random() < 0.5,
      }),
  },
  { weight: 1, happens: addForeignJob },
  // people
  {
    weight: 3,
    happens: ({ scenario, random, names }) =>
      scenario.edit(pick(random, names), { engine: { seed: between(random, 0, 3) } }),
  },
  {
    weight: 3,
    happens: ({ scenario, random, names }) => scenario.edit(pick(random, names), { replicas: between(random, 0, 4) }),
  },
  {
    weight: 2,
    happens: ({ scenario, random, names }) => scenario.edit(pick(random, names), { suspend: random() < 0.5 }),
  },
  {
    weight: 1,
    happens: ({ scenario, random, names }) => scenario.apply(pick(random, names), { model: { uri: 'ftp://nowhere' } }),
  },
  { weight: 1, happens: ({ scenario, random, names }) => scenario.remove(pick(random, names)) },
  {
    weight: 1,
    happens({ scenario, random, names }) {
      const name = pick(random, names);
      scenario.remove(name);
      scenario.apply(name, aSpec(random));
    },
  },
];
const WEIGHT = MISHAPS.reduce((sum, mishap) => sum + mishap.weight, 0);

export function somethingHappens(chaos: Chaos): void {
  let left = chaos.random() * WEIGHT;
  for (const { weight, happens } of MISHAPS) {
    left -= weight;
    if (left >= 0) continue;
    happens(chaos);
    return;
  }
}

/** A deployment whose patience fits a run of minutes. */
export function aSpec(random: Random): SpecInput {
  return deployment({
    replicas: between(random, 1, 4),
    probes: {
      startup: { timeoutSeconds: pick(random, [60, 180]) },
      liveness: { periodSeconds: pick(random, [5, 15, 30]), failureThreshold: pick(random, [2, 3]) },
    },
    restartPolicy: {
      maxRestarts: between(random, 1, 5),
      windowSeconds: pick(random, [300, 1_200]),
      backoff: { initialSeconds: between(random, 1, 10), maxSeconds: 60 },
      excludeFailedNodes: { ttlSeconds: pick(random, [0, 120, 400]), max: between(random, 0, 4) },
      onExternalCancel: random() < 0.8 ? 'Resubmit' : 'Hold',
    },
    ...(random() < 0.1 && { slurm: { time: '10' } }),
  });
}

/** A port of its own for each job that has one. */
export function createPorts(): () => number {
  let count = 0;
  return () => 20_001 + (count++ % 9_000);
}
/** Nobody's; several jobs may claim it. */
const CONTESTED_PORT = 20_000;

/** Most jobs come up and stay; the others fail in one of the ways jobs do. */
export function mostlyServes(random: Random, port: number): Behaviour {
  const healthy = serves({
    port,
    readyAfterMs: between(random, 1_000, 50_000),
    stopMs: pick(random, [0, 1_000, 30_000]),
  });
  if (random() < 0.75) return healthy;
  const exits = (exitCode: number, failureClass: string) =>
    thenExits(healthy, between(random, 500, 200_000), { exitCode }, random() < 0.8 ? { failureClass } : undefined);
  switch (between(random, 0, 10)) {
    case 0:
      return exits(65, 'start');
    case 1:
      return exits(66, 'port');
    case 2:
      return exits(68, 'died');
    case 3:
      return exits(64, 'config');
    case 4:
      return exits(0, 'none');
    case 5:
      return thenHangs(healthy, between(random, 1_000, 200_000));
    case 6:
      return { ...healthy, steps: healthy.steps.filter((step) => step.does !== 'answer') }; // says ready, answers nobody
    case 7:
      return lying(healthy, { port: 22 });
    case 8:
      return { ...healthy, port: CONTESTED_PORT };
    default:
      return lying(
        { ...healthy, steps: healthy.steps.filter((step) => step.does !== 'answer') },
        { port: CONTESTED_PORT },
      );
  }
}

/** Reports another port than its own. */
function lying(behaviour: Behaviour, { port }: { readonly port: number }): Behaviour {
  const steps = behaviour.steps.map((step) =>
    step.does === 'report' ? { ...step, report: { ...step.report, port } } : step,
  );
  return { ...behaviour, steps };
}

function oneFault(random: Random): Fault {
  return pick<Fault>(random, [
    { kind: 'unreachable' },
    { kind: 'unknown', effect: 'none' },
    { kind: 'unknown', effect: 'now' },
    { kind: 'rejected', message: 'sbatch: error: Batch job submission failed: Invalid account' },
    { kind: 'rejected', message: 'sbatch: error: QOSMaxSubmitJobPerUserLimit' },
    { kind: 'lost' },
    { kind: 'stale', ageMs: between(random, 500, 8_000) },
  ]);
}

function anEffect(random: Random): Effect {
  return pick<Effect>(random, ['none', 'now', { withinMs: 58_000 }, { afterMs: between(random, 65_000, 300_000) }]);
}

type Harm = (control: Scenario['cluster']['control'], job: SimJob, random: Random) => void;
const HARMS: readonly Harm[] = [
  (control, job) => control.cancel(job.serial),
  (control, job) => control.preempt(job.serial),
  (control, job) => control.killForMemory(job.serial),
  (control, job) => control.hang(job.serial),
  (control, job, random) => {
    if (job.phase === 'running') control.requeue(job.serial, pick(random, [1_000, 121_000]));
  },
  (control, job) => control.setComment(job.serial, `${markerOf(job)}|phase=ready|node=node009|port=20000`),
  (control, job) => control.setComment(job.serial, markerOf(job)),
  (control, job) => control.end(job.serial, TIMEOUT),
];
const TIMEOUT = { state: 'TIMEOUT', exitCode: 0, signal: 15, reason: 'TimeLimit', failedNodes: [] } as const;
const markerOf = (job: SimJob): string => job.comment.split('|', 1)[0] ?? '';

function harmOneJob({ scenario, random }: Chaos): void {
  const victims = scenario.truth.live();
  if (victims.length > 0) pick(random, HARMS)(scenario.cluster.control, pick(random, victims).job, random);
}

/** Of our user or another, with a name like ours or none, with a marker of another operator or none. */
function addForeignJob({ scenario, random, names }: Chaos): void {
  const marker = 'vso1 uid=elsewhere gen=1 hash=00 nonce=n owner=another';
  scenario.cluster.control.addForeignJob({
    name: pick(random, ['training', `vllm.default.${pick(random, names)}.r0.a777`, 'vllm.default.other.r0.a1']),
    ...(random() < 0.3 && { comment: marker }),
    ...(random() < 0.3 && { user: 'somebody' }),
  });
}
