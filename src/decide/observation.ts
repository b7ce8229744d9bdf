import type { Resource } from '../api/resource.ts';
import type { Site } from '../launch/site.ts';
import type { Tenancy } from '../launch/tenancy.ts';
import type { ProbeMemory } from '../probe/prober.ts';
import type { Known } from '../result.ts';
import type { SecretError } from '../secrets/secrets.ts';
import type { Identity, JobReport } from '../slurm/identity.ts';
import type { Job, JobEnding } from '../slurm/job.ts';
import type { Notices, SlurmError } from '../slurm/slurm.ts';
import type { Policy } from './policy.ts';

/** A job that proved, by name and marker, to belong to this very resource (uid) and store (owner). */
export type OwnJob = Job & { readonly identity: Identity; readonly report: JobReport };

/** Everything a turn knows: facts, no opinions. */
export type Observation = {
  /** Epoch, ms. */
  readonly now: number;
  readonly resource: Resource;
  /** The store's id; goes into the marker of new jobs. */
  readonly owner: string;
  readonly slurm: Known<SlurmView, SlurmError>;
  readonly whereabouts: Whereabouts;
  /** More of the fleet vanished at once than can be believed: nothing is concluded from absence. */
  readonly viewSuspect: boolean;
  /** Every endpoint of the fleet stopped answering at once: more likely our own network than all of them. */
  readonly networkSuspect: boolean;
  /** By `jobKey`; of ended jobs not yet settled. A missing entry: could not be asked this time. */
  readonly endings: ReadonlyMap<string, Ending>;
  /** By `jobKey`; the end of the log of jobs that have said their last word and are not cleaned up yet. */
  readonly logTails: ReadonlyMap<string, string>;
  /** By job name; of jobs acknowledged or seen that the listing lacks. A missing entry: could not be asked. */
  readonly history: ReadonlyMap<string, HistoryAnswer>;
  readonly submitsAs: SubmitsAs;
  /** Secrets of the spec that cannot be read: no attempt could be given them. Never a value. */
  readonly secretProblems: readonly SecretProblem[];
  /** Who may ask for what, by cluster; of one that is missing nobody has said. */
  readonly tenancy: ReadonlyMap<string, Tenancy>;
  /** By `jobKey`. */
  readonly probes: ReadonlyMap<string, ProbeMemory>;
  /** NodeAddr by node name, as far as known. */
  readonly nodeAddresses: ReadonlyMap<string, string>;
  /** Names of nodes that can run jobs; undefined: not known. */
  readonly usableNodes: readonly string[] | undefined;
  readonly policy: Policy;
  readonly site: Site;
  /** Text of `config/launch/serve.sh`. */
  readonly body: string;
  /** Fresh random word, lower-case letters and digits: makes the nonces of this turn. */
  readonly entropy: string;
};

/** Of a deployment that is looked after here. */
export type Whereabouts = {
  /** The cluster all other facts are about. */
  readonly here: string;
  /** As the status is to name it; undefined where there is but one, which needs no name. */
  readonly recorded: string | undefined;
  /** Whether each answers, the default first. */
  readonly clusters: ReadonlyMap<string, boolean>;
  /** The status names no cluster, none of its jobs is here, and this other one shows some that live. */
  readonly foundOn: string | undefined;
};

/** As whom new jobs are submitted, on the cluster the spec wants. `source`: where the token is from, in words. */
export type SubmitsAs =
  | { readonly kind: 'itself' }
  | { readonly kind: 'user'; readonly user: string; readonly source: string; readonly endsMs?: number }
  /** The namespace has to be somebody, and nobody knows who: nothing is submitted. */
  | { readonly kind: 'nobody'; readonly problem: SecretError };

/** `field`: of the spec, such as `spec.endpoint.apiKeyFrom`. */
export type SecretProblem = SecretError & { readonly field: string };

export type SlurmView = {
  /** Epoch, ms: the listing's question was sent at this time. */
  readonly askedAtMs: number;
  readonly jobs: readonly OwnJob[];
  /** Whom SLURM is asked as, where jobs are of several users. */
  readonly user?: string;
  readonly notices?: Notices;
};

export type Ending = JobEnding & { readonly logTail: string | undefined };
/** Accounting's word: how it ended, or that it knows no such job; `unkept` where there is no accounting. */
export type HistoryAnswer =
  | { readonly kind: 'ended'; readonly ending: Ending }
  | { readonly kind: 'none' }
  | { readonly kind: 'unkept' };
