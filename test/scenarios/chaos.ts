import type { CallName, Effect, Fault } from '../../src/slurm/simulated/faults.ts';
import type { Random } from '../../src/slurm/simulated/random.ts';
import type { SimJob } from '../../src/slurm/simulated/world.ts';
import type { StoreCall } from '../../src/store/memory.ts';
import { between, pick } from './chance.ts';
import type { Scenario } from './scenario.ts';
import { aSpec } from './troubled.ts';

/** Everything that goes wrong in a seeded run, and everything people do meanwhile. */
export type Chaos = {
  readonly scenario: Scenario;
  readonly random: Random;
  /** Names of the deployments there may be. */
  readonly names: readonly string[];
};

type Mishap = { readonly weight: number; readonly happens: (chaos: Chaos) => void };

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
