import type { Result } from '../result.ts';
import type { Gpus } from './gpus.ts';
import type { Job, JobEnding, JobRef } from './job.ts';

/** Every answer of the cluster is typed by what it asks of the caller. */
export type SlurmError =
  /** Never arrived: try again later, nothing happened. */
  | { readonly kind: 'unreachable'; readonly message: string }
  /** May have arrived, or answered only half: nothing may be concluded. */
  | { readonly kind: 'unknown'; readonly message: string }
  /** Slurm understood and refused, in its own words: waiting will not help. */
  | { readonly kind: 'rejected'; readonly message: string };

/** Jobs of ours, complete. Only a call that proved its own completeness makes one. */
export type Listing = {
  readonly jobs: readonly Job[];
  /** Where others' jobs of our names are listed too, who asked: the names alone do not say whose they are. */
  readonly user?: string;
  /** Epoch, ms, taken before the question was sent: the view is at least this fresh. */
  readonly askedAtMs: number;
  /** What had to be read for it, where it was sent over. */
  readonly bytes?: number;
  /** When what we are known by to Slurm ends, epoch, ms, however far off; absent where it has no end. */
  readonly credentialsEndMs?: number;
  /** What people should know of this way to Slurm although it answers. */
  readonly notices?: Notices;
};

export type Notices = {
  /** Without a change it will answer no longer from then on, epoch, ms; told some time before. */
  readonly credentialsEndMs?: number;
  /** It has no word for `--signal=B:…`: jobs are not warned before their time runs out. */
  readonly cannotWarn?: true;
};

/** By which somebody else than the operator itself is known to Slurm. */
export type Credentials = {
  readonly user: string;
  /** A JSON Web Token: sent in a header, and said to nobody. */
  readonly token: string;
};

export type Submission = {
  /** The value of `--job-name`, repeated in the script's `#SBATCH` lines. */
  readonly name: string;
  /** The whole batch script; options stand in its `#SBATCH` lines and nowhere else. */
  readonly script: string;
  /** Whose job it is to be; absent: the operator's own. */
  readonly as?: Credentials;
};

/** A job to be ended, and by whom; absent: by the operator itself. */
export type Cancellation = JobRef & { readonly as?: Credentials };

export type NodeInfo = {
  readonly name: string;
  /** Where the node is reached: Slurm's NodeAddr. */
  readonly address: string;
  /** Slurm's state word in lower case without flags: `idle`, `mixed`, `allocated`, `down`, `drained`, … */
  readonly state: string;
};

/** What a cluster is and has, for people. */
export type Inventory = {
  /** Of SLURM, `24.11.5`: the controller's by its commands, slurmrestd's own over that; absent where nobody says one. */
  readonly version?: string;
  readonly nodes: readonly EquippedNode[];
};
/** One entry a type of GPU; empty: the node has none. */
export type EquippedNode = NodeInfo & { readonly gpus: readonly Gpus[] };

const UNUSABLE = /^(down|drain|drained|draining|fail|failing|error|inval|unknown|future|powered_down|powering_down)/;

/** Jobs can run there, now or when others have ended. */
export const isUsable = ({ state }: Pick<NodeInfo, 'state'>): boolean => !UNUSABLE.test(state);

/**
 * The cluster, in Slurm's words. One suite (`test/contract/slurm.ts`) holds every adapter to it.
 * No call throws; every call has a deadline and an output cap.
 */
export interface Slurm {
  /** Shown to people: the cluster's name. */
  readonly cluster: string;
  /**
   * All jobs of this user, or of everybody where `user` is told, whose name begins with `vllm.`, every state still on
   * record, in one call.
   * An answer that cannot prove it is complete is `unknown`, never an empty list.
   */
  listJobs(): Promise<Result<Listing, SlurmError>>;
  /** The same as somebody else sees it; absent where jobs are all one user's. */
  listJobsAs?(credentials: Credentials): Promise<Result<Listing, SlurmError>>;
  /** How these jobs ended, as far as the controller still knows; jobs it no longer knows or that still live are left out. */
  describe(refs: readonly JobRef[]): Promise<Result<readonly JobEnding[], SlurmError>>;
  /**
   * How jobs of these names ended, from accounting, submitted at or after `sinceMs`.
   * `rejected` when the cluster keeps no accounting.
   */
  history(names: readonly string[], sinceMs: number): Promise<Result<readonly JobEnding[], SlurmError>>;
  /** Answers with the job's id. */
  submit(submission: Submission): Promise<Result<string, SlurmError>>;
  /** Ends the job if id, name and user all still match; a job that is gone or is somebody else's is no error. */
  cancel(job: Cancellation): Promise<Result<void, SlurmError>>;
  nodes(): Promise<Result<readonly NodeInfo[], SlurmError>>;
  /** The same nodes with their GPUs, and the version. Dearer: for when somebody asks, not for a loop. */
  inventory(): Promise<Result<Inventory, SlurmError>>;
  /** Releases what the adapter holds; jobs live on. */
  close(): Promise<void>;
}
