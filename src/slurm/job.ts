/**
 * A job as Slurm tells it. Each phase carries what it knows and nothing else can be asked of it.
 * Source: squeue(1) JOB STATE CODES.
 */
export type Job = JobHead &
  (
    | { readonly phase: 'pending'; readonly state: PendingState; readonly expectedStartMs?: number }
    | { readonly phase: 'running'; readonly state: RunningState; readonly startMs: number }
    /** The allocation is being cleaned up; nodes are not free yet, the outcome may be known from the comment. */
    | { readonly phase: 'completing'; readonly state: 'COMPLETING'; readonly startMs?: number }
    | { readonly phase: 'ended'; readonly state: EndState; readonly startMs?: number; readonly endMs: number }
  );

export type JobHead = {
  /** Slurm's number, a string as printed. Reused after a controller crash and after a wrap: never an identity alone. */
  readonly id: string;
  readonly name: string;
  readonly user: string;
  readonly partition: string;
  /** Slurm's reason word or text, `None` when it has none. */
  readonly reason: string;
  /** Expanded node names, in Slurm's order; empty while pending. */
  readonly nodes: readonly string[];
  /** What the job says of itself; empty when unset. */
  readonly comment: string;
  /** Epoch, ms; changes when Slurm requeues the job. */
  readonly submitMs: number;
};

export const PENDING_STATES = [
  'PENDING',
  'REQUEUED',
  'REQUEUE_HOLD',
  'REQUEUE_FED',
  'SPECIAL_EXIT',
  'RESV_DEL_HOLD',
] as const;
export const RUNNING_STATES = [
  'CONFIGURING',
  'RUNNING',
  'SUSPENDED',
  'STOPPED',
  'SIGNALING',
  'STAGE_OUT',
  'RESIZING',
] as const;
export const END_STATES = [
  'COMPLETED',
  'FAILED',
  'CANCELLED',
  'TIMEOUT',
  'DEADLINE',
  'NODE_FAIL',
  'BOOT_FAIL',
  'PREEMPTED',
  'OUT_OF_MEMORY',
  'REVOKED',
  'LAUNCH_FAILED',
] as const;
export type PendingState = (typeof PENDING_STATES)[number];
export type RunningState = (typeof RUNNING_STATES)[number];
export type EndState = (typeof END_STATES)[number];
export type JobState = PendingState | RunningState | 'COMPLETING' | EndState;

/** Enough to name one job and no other: compared before every cancel. */
export type JobRef = Pick<JobHead, 'id' | 'name' | 'user' | 'submitMs'>;

export const refOf = ({ id, name, user, submitMs }: JobHead): JobRef => ({ id, name, user, submitMs });

/** What a listing is too terse to say of an ended job. Source: `scontrol show job`, `sacct`. */
export type JobEnding = {
  readonly id: string;
  readonly name: string;
  readonly submitMs: number;
  readonly state: EndState;
  /** Of the batch script; 0 when a signal ended it. */
  readonly exitCode: number;
  /** 0 when none. */
  readonly signal: number;
  readonly reason: string;
  readonly nodes: readonly string[];
  /** Nodes Slurm itself names as failed (24.11 and later), expanded. */
  readonly failedNodes: readonly string[];
  readonly startMs?: number;
  readonly endMs: number;
};

/** Names one run of one job for as long as it is on record: ids are reused, a requeue keeps the id. */
export const jobKey = (job: Pick<JobHead, 'id' | 'submitMs'>): string => `${job.id}@${job.submitMs}`;
