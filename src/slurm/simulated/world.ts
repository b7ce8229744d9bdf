import type { EndState } from '../job.ts';
import type { Grant, JobRequest, NodeSlots, Partition } from '../scheduler.ts';
import type { Behaviour } from './behaviour.ts';

/** A cluster at one instant. Immutable: each transition answers a new one, sharing all that did not change. */
export type World = {
  /** Epoch, ms. */
  readonly nowMs: number;
  /** What Slurm will call the next job. */
  readonly nextId: number;
  /** Position in the history of all submissions, never used twice. */
  readonly nextSerial: number;
  /** Jobs the controller knows, in the order they came. */
  readonly jobs: readonly SimJob[];
  /** Jobs it has forgotten: purged after their end, or lost in a crash. */
  readonly forgotten: readonly SimJob[];
  readonly nodes: readonly SimNode[];
  /** Things that will happen, whoever asked for them. */
  readonly pending: readonly Effect[];
  readonly rules: Rules;
};

export type SimNode = NodeSlots & {
  readonly address: string;
  /** Processes on it can be reached. A node may be cut off long before Slurm calls it down. */
  readonly connected: boolean;
};

/** How this cluster behaves at all times. */
export type Rules = {
  readonly partitions: readonly Partition[];
  /** From submission until the scheduler first looks. */
  readonly startDelayMs: number;
  /** Ended jobs stay on record that long. Slurm's MinJobAge. */
  readonly minJobAgeMs: number;
  /** At least that long in COMPLETING after any end. */
  readonly completingMs: number;
  /** Ids run from `first` to `last`, then begin again. */
  readonly ids: { readonly first: number; readonly last: number };
  /** Endings name the nodes that failed, as Slurm 24.11 and later. */
  readonly namesFailedNodes: boolean;
  /** While set, nothing starts, for this reason: `QOSGrpNodeLimit`, `PartitionDown`, … */
  readonly hold: string | undefined;
};

export type Effect = { readonly atMs: number; readonly event: WorldEvent };

export type NewJob = {
  readonly name: string;
  readonly user: string;
  readonly comment: string;
  readonly request: JobRequest;
  readonly behaviour: Behaviour;
  /** Before the time limit, ms; undefined: no warning asked for. */
  readonly warnBeforeMs?: number;
};

export type Ending = {
  readonly state: EndState;
  readonly exitCode: number;
  readonly signal: number;
  readonly reason: string;
  readonly failedNodes: readonly string[];
};

/** What can happen to a cluster. `serial` names one job for ever; ids do not. */
export type WorldEvent =
  | { readonly kind: 'submitted'; readonly job: NewJob }
  | { readonly kind: 'cancelled'; readonly serial: number }
  /** The job is brought to its end from outside: preemption, the kernel's OOM killer. */
  | { readonly kind: 'stopped'; readonly serial: number; readonly ending: Ending }
  | { readonly kind: 'requeued'; readonly serial: number; readonly eligibleAfterMs: number }
  | { readonly kind: 'commented'; readonly serial: number; readonly comment: string }
  | { readonly kind: 'hung'; readonly serial: number }
  /** Slurm does not notice yet. */
  | { readonly kind: 'nodeCutOff'; readonly node: string }
  /** Slurm gives the node up and its jobs with it; their processes may outlive the verdict by `ghostMs`. */
  | { readonly kind: 'nodeDown'; readonly node: string; readonly ghostMs: number }
  | { readonly kind: 'nodeUp'; readonly node: string }
  | { readonly kind: 'rulesChanged'; readonly rules: Partial<Rules> }
  /** The controller died and came back with an older state file: `saved`. */
  | { readonly kind: 'controllerCrashed'; readonly saved: World };

export type SimJob = {
  readonly serial: number;
  readonly id: string;
  readonly name: string;
  readonly user: string;
  readonly partition: string;
  readonly comment: string;
  readonly submitMs: number;
  readonly request: JobRequest;
  readonly behaviour: Behaviour;
  readonly warnBeforeMs: number | undefined;
  readonly phase: 'pending' | 'running' | 'completing' | 'ended';
  readonly reason: string;
  /** Pending: the scheduler does not look before. */
  readonly eligibleMs: number;
  readonly grants: readonly Grant[];
  readonly startMs: number | undefined;
  /** How many steps of its behaviour it has taken. */
  readonly stepsTaken: number;
  readonly warned: boolean;
  /** `answering` even where nobody can reach its node. */
  readonly engine: 'silent' | 'answering';
  /** A process left behind on a lost node answers until then, epoch ms. */
  readonly ghostUntilMs: number;
  readonly ending: Ending | undefined;
  /** Completing: when it will be over. Ended: when it was. */
  readonly endMs: number | undefined;
  /** Epoch, ms: its next change of its own accord; Infinity when it waits for others. */
  readonly nextMs: number;
  /** The controller forgot it without its having ended. */
  readonly lost: boolean;
};

export const isLive = (job: SimJob): boolean => job.phase !== 'ended' && !job.lost;
export const nodesOf = (job: SimJob): readonly string[] => job.grants.map((grant) => grant.node);
