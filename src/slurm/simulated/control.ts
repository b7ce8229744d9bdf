import type { Behaviour } from './behaviour.ts';
import type { FaultRule, Faults } from './faults.ts';
import type { Random } from './random.ts';
import type { Accounting, SubmittedJob } from './simulated.ts';
import { CANCELLED, OUT_OF_MEMORY, PREEMPTED } from './step.ts';
import type { Ending, NewJob, Rules, SimJob, World, WorldEvent } from './world.ts';

/** Makes things happen to a simulated cluster. A job is named by its serial, which no other job ever has. */
export type Control = {
  setFault(rule: FaultRule): void;
  /** Every call is answered truly again; what is broken in the cluster stays broken. */
  heal(): void;
  /** For jobs submitted from now on. */
  setBehaviour(behave: (job: SubmittedJob, random: Random) => Behaviour): void;
  setAccounting(accounting: Accounting): void;
  /** As PrivateData does: nobody is shown another user's jobs. */
  setPrivate(isPrivate: boolean): void;
  setRules(rules: Partial<Rules>): void;
  /** `scancel` by somebody who may. */
  cancel(serial: number): void;
  preempt(serial: number): void;
  killForMemory(serial: number): void;
  end(serial: number, ending: Ending): void;
  requeue(serial: number, eligibleAfterMs?: number): void;
  setComment(serial: number, comment: string): void;
  hang(serial: number): void;
  /**
   * A node is lost at once. Slurm says so `detectMs` later; it is back after `forMs` (default: never), and processes
   * left on it answer until `ghostMs` after Slurm gave it up.
   */
  failNode(node: string, options?: { detectMs?: number; forMs?: number; ghostMs?: number }): void;
  restoreNode(node: string): void;
  /** slurmctld dies and comes back with a state file `losesMs` old. Default 5 s. */
  crashController(losesMs?: number): void;
  /** Somebody else's job, or one of our user's that is not ours. */
  addForeignJob(job: Partial<NewJob> & Pick<NewJob, 'name'>): SimJob;
};

/** cred_expire of Slurm's default, and a second: what a requeued job waits. */
const REQUEUE_MS = 121_000;

export function createControl(of: {
  readonly user: string;
  readonly faults: Faults;
  readonly happen: (event: WorldEvent) => World;
  readonly later: (afterMs: number, event: WorldEvent) => void;
  readonly past: (ageMs: number) => World;
  readonly present: () => World;
  readonly setBehaviour: Control['setBehaviour'];
  readonly setAccounting: Control['setAccounting'];
  readonly setPrivate: Control['setPrivate'];
}): Control {
  const { happen, later } = of;
  const stop = (serial: number, ending: Ending) => void happen({ kind: 'stopped', serial, ending });
  return {
    setFault: of.faults.set,
    heal: of.faults.heal,
    setBehaviour: of.setBehaviour,
    setAccounting: of.setAccounting,
    setPrivate: of.setPrivate,
    setRules: (rules) => void happen({ kind: 'rulesChanged', rules }),
    cancel: (serial) => stop(serial, CANCELLED),
    preempt: (serial) => stop(serial, PREEMPTED),
    killForMemory: (serial) => stop(serial, OUT_OF_MEMORY),
    end: stop,
    requeue: (serial, eligibleAfterMs = REQUEUE_MS) => void happen({ kind: 'requeued', serial, eligibleAfterMs }),
    setComment: (serial, comment) => void happen({ kind: 'commented', serial, comment }),
    hang: (serial) => void happen({ kind: 'hung', serial }),
    failNode(node, { detectMs = 0, forMs, ghostMs = 0 } = {}) {
      const down: WorldEvent = { kind: 'nodeDown', node, ghostMs };
      happen({ kind: 'nodeCutOff', node });
      if (detectMs === 0) happen(down);
      else later(detectMs, down);
      if (forMs !== undefined) later(Math.max(forMs, detectMs), { kind: 'nodeUp', node });
    },
    restoreNode: (node) => void happen({ kind: 'nodeUp', node }),
    crashController: (losesMs = 5000) => void happen({ kind: 'controllerCrashed', saved: of.past(losesMs) }),
    addForeignJob(job) {
      const world = happen({ kind: 'submitted', job: { ...idleJob(of.user), ...job } });
      return world.jobs.at(-1) as SimJob;
    },
  };
}

/** Asks for one CPU and never ends. */
function idleJob(user: string): Omit<NewJob, 'name'> {
  return {
    user,
    comment: '',
    behaviour: { port: 0, steps: [], stopMs: 1000 },
    request: {
      nodes: 1,
      cpusPerNode: 1,
      gpusPerNode: 0,
      timeLimitSeconds: Number.POSITIVE_INFINITY,
      partitions: [],
      exclude: [],
      nodelist: [],
      singleton: false,
    },
  };
}
