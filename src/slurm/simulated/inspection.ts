import type { Result } from '../../result.ts';
import type { SlurmError } from '../slurm.ts';
import type { CallName, Fault } from './faults.ts';
import { nextChangeMs } from './step.ts';
import { isLive, nodesOf, type SimJob, type SimNode, type World } from './world.ts';

/** The truth about a simulated cluster, for the checkers of promises. Reading changes nothing. */
export type Inspection = {
  /** Every job there ever was, in the order they came, foreign and lost ones too. */
  jobs(): readonly SimJob[];
  /** Jobs of our users that are pending, running or completing. */
  live(): readonly SimJob[];
  /** Running jobs of our users whose engine answers and can be reached. */
  serving(): readonly SimJob[];
  /** Whose process answers at this address and port: of a running job, or left behind by a dead one. */
  answering(address: string, port: number): SimJob | undefined;
  /** Names of jobs whose submission is still on its way. */
  inFlight(): readonly string[];
  nodes(): readonly SimNode[];
  calls(): readonly RecordedCall[];
  /** Epoch, ms: when the cluster next changes by itself; undefined when it stands still. */
  nextChangeMs(): number | undefined;
};

export type RecordedCall = {
  readonly name: CallName;
  readonly atMs: number;
  readonly jobNames: readonly string[];
  readonly jobIds: readonly string[];
  readonly script?: string;
  readonly fault: Fault['kind'] | undefined;
  readonly result: Result<unknown, SlurmError>;
};

export function createInspection(of: {
  readonly users: readonly string[];
  readonly present: () => World;
  readonly calls: readonly RecordedCall[];
}): Inspection {
  const { users, present, calls } = of;
  const reachable = (job: SimJob, world: World): boolean =>
    job.engine === 'answering' &&
    nodesOf(job).every((name) => world.nodes.some((node) => node.name === name && node.connected));

  return {
    jobs() {
      const { jobs, forgotten } = present();
      return [...forgotten, ...jobs].sort((a, b) => a.serial - b.serial);
    },
    live: () => present().jobs.filter((job) => users.includes(job.user) && isLive(job)),
    serving() {
      const world = present();
      return world.jobs.filter((job) => users.includes(job.user) && job.phase === 'running' && reachable(job, world));
    },
    answering(address, port) {
      const world = present();
      const node = world.nodes.find((one) => one.address === address);
      if (!node) return undefined;
      return [...world.jobs, ...world.forgotten].find(
        (job) =>
          job.behaviour.port === port &&
          nodesOf(job)[0] === node.name &&
          reachable(job, world) &&
          (job.phase === 'running' || job.ghostUntilMs > world.nowMs),
      );
    },
    inFlight: () => present().pending.flatMap(({ event }) => (event.kind === 'submitted' ? [event.job.name] : [])),
    nodes: () => present().nodes,
    calls: () => calls,
    nextChangeMs() {
      const next = nextChangeMs(present());
      return Number.isFinite(next) ? next : undefined;
    },
  };
}
