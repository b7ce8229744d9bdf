import type { Key } from './key.ts';
import type { Spec } from './spec.ts';
import type { Status } from './status.ts';

export const GROUP = 'vllm-slurm.dev';
export const VERSION = 'v1alpha1';
export const KIND = 'VLLMDeployment';
export const API_VERSION = `${GROUP}/${VERSION}`;
export const FINALIZER = `${GROUP}/slurm-jobs`;
/** On a resource being deleted: let go although Slurm cannot be asked. For a cluster that is gone for ever. */
export const FORCE_RELEASE_ANNOTATION = `${GROUP}/force-release`;

/** One problem of a spec, findable by a person. */
export type SpecProblem = {
  /** Field path as kubectl prints it: `spec.parallelism.tensor`. */
  readonly field: string;
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
};

/** A `VLLMDeployment` as its store knows it. */
export type Resource = {
  readonly key: Key;
  readonly uid: string;
  /** Rises by one with each change of the spec; `spec` belongs to it unless `problems` says otherwise. */
  readonly generation: number;
  /** Opaque: which write of the store this is a view of. */
  readonly version: string;
  readonly createdMs: number;
  readonly deletingSinceMs?: number;
  readonly finalizers: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  /** The last good one, preset and defaults filled in; undefined when there never was a good one. */
  readonly spec: Spec | undefined;
  /** Of the words of its person, where a preset filled in the rest (`presetHash`); else the spec's own. */
  readonly specHash?: string;
  /** The generation `spec` was read from. */
  readonly specGeneration: number;
  /** Why the present text is not `spec`; empty when it is. */
  readonly problems: readonly SpecProblem[];
  readonly status: Status;
};
