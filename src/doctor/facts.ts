import type { Key } from '../api/key.ts';
import type { Spec } from '../api/spec.ts';
import type { Site } from '../launch/site.ts';
import type { Result } from '../result.ts';
import type { Association, ClusterConfiguration, Controller, Qos } from '../slurm/association.ts';
import type { Partition, PartitionNode } from '../slurm/partition.ts';
import type { Notices } from '../slurm/slurm.ts';

/** What was asked, or why there is no answer. */
export type Answer<T> = Result<T, string>;

/** A deployment, or what would be asked for by one that says nothing: then `key` is undefined. */
export type Wish = {
  readonly key: Key | undefined;
  readonly spec: Spec;
  /** The hub gives its model only to who has accepted a licence. */
  readonly gated: boolean;
  /** The oldest vLLM that loads its model, where the catalog knows. */
  readonly minimumEngine?: string;
  /** Undefined: it names no token. */
  readonly token?: Answer<string>;
  /** What the hub says to its token; undefined: not asked. */
  readonly hub?: Answer<HubAnswer>;
};
export type HubAnswer = 'given' | 'refused' | 'unknown model';

/** A directory, as seen from one place. */
export type DirectoryFact = {
  readonly path: string;
  readonly purpose: 'log directory' | 'deployments' | 'model cache';
  /** `absent`: it can be made. */
  readonly is: 'writable' | 'absent' | 'unusable';
  readonly why?: string;
};

export type VenvFact = {
  readonly path: string;
  readonly is: 'there' | 'absent';
  /** Of the installed vLLM; undefined: none. */
  readonly engine?: string;
};

/** vLLM on PATH. */
export type HostFact = {
  /** Undefined: there is none. */
  readonly program?: string;
  /** Its version; undefined: not known. */
  readonly engine?: string;
};

/** What a small job saw. */
export type JobView = {
  readonly node: string;
  /** It read in the log directory what had been written there a moment before. */
  readonly seesLogDirectory: boolean;
  readonly clockSkewMs: number | undefined;
  readonly directories: readonly DirectoryFact[];
  readonly venvs: readonly VenvFact[];
  readonly host: HostFact;
  /** Lowest and highest port the kernel hands out by itself. */
  readonly ephemeralPorts?: { readonly low: number; readonly high: number };
};

/** Facts, no opinions. What was not asked, as the cluster is none of SLURM's, is undefined. */
export type Facts = {
  readonly now: number;
  readonly cluster: { readonly type: 'slurm' | 'rest' | 'local'; readonly why: string; readonly isChosen: boolean };
  /** To the machine SLURM's commands run on; undefined: they run here. Without it nothing of SLURM was asked. */
  readonly connection?: Answer<{ readonly host: string }>;
  readonly programs?: readonly { readonly name: string; readonly version: Answer<string> }[];
  readonly controller?: Answer<Controller>;
  /** How many jobs of ours slurmrestd lists, and what it says beside them. */
  readonly rest?: Answer<{ readonly jobs: number; readonly notices: Notices }>;
  readonly configuration?: Answer<ClusterConfiguration & { readonly askedAtMs: number; readonly answeredAtMs: number }>;
  readonly partitions?: Answer<readonly Partition[]>;
  readonly nodes?: Answer<readonly PartitionNode[]>;
  readonly user?: Answer<string>;
  readonly associations?: Answer<readonly Association[]>;
  readonly qos?: Answer<readonly Qos[]>;
  /** Whether a compute node is reached from here; undefined: there is none to try. */
  readonly route?: { readonly node: string; readonly address: string; readonly outcome: Answer<undefined> };
  readonly job?: Answer<JobView>;
  readonly timeoutSeconds: number;
  readonly site: Pick<Site, 'portRange' | 'defaults' | 'hardware' | 'catalog'>;
  readonly wishes: readonly Wish[];
  /** Files in which a deployment cannot be read, and why. */
  readonly unreadable: readonly string[];
  /** As seen from here. */
  readonly directories: readonly DirectoryFact[];
  readonly venvs: readonly VenvFact[];
  /** Where jobs are processes of this machine. */
  readonly host?: HostFact;
};
