import type { Spec } from '../api/spec.ts';
import type { Identity } from '../slurm/identity.ts';
import type { Site } from './site.ts';

export type LaunchInput = {
  readonly identity: Identity;
  readonly spec: Spec;
  /** Nodes this attempt is kept off, besides `spec.slurm.exclude`. */
  readonly excludedNodes: readonly string[];
  readonly site: Site;
  /** Text of `config/launch/serve.sh`: read once by `main`, constant. */
  readonly body: string;
};

/** The batch script of one attempt. Pure: the same input gives the same bytes. */
export function renderScript(input: LaunchInput): string {
  throw new Error(`not yet: ${input.identity.name}`);
}
