import type { Resource } from '../../../src/api/resource.ts';
import type { DeploymentEvent } from '../../../src/controller/events.ts';
import type { Identity } from '../../../src/slurm/identity.ts';
import type { SimJob } from '../../../src/slurm/simulated/world.ts';
import type { Truth } from '../truth.ts';

/** Where a promise is looked at. Each answers what is wrong, undefined when nothing is. */
export type Watch = {
  /** A submission is about to reach SLURM. */
  readonly submit?: (truth: Truth, identity: Identity, excluded: readonly string[]) => string | undefined;
  /** A cancel is about to reach SLURM and hits this job. */
  readonly cancel?: (truth: Truth, job: SimJob) => string | undefined;
  /** SLURM is about to be asked for its jobs. */
  readonly list?: (truth: Truth) => string | undefined;
  /** The operator has written. */
  readonly write?: (truth: Truth, before: Resource, after: Resource) => string | undefined;
  /** The operator tells what happened. */
  readonly tell?: (truth: Truth, resource: Resource, events: readonly DeploymentEvent[]) => string | undefined;
  /** Whatever happened. */
  readonly step?: (truth: Truth) => string | undefined;
};
export type SafetyPromise = Watch & { readonly name: string; readonly says: string };
