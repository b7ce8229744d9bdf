import type { Spec } from '../api/spec.ts';
import type { Identity } from '../slurm/identity.ts';
import { directives } from './directives.ts';
import { assignment } from './quote.ts';
import type { Site } from './site.ts';
import { type LaunchVariables, launchVariables } from './variables.ts';

export type LaunchInput = {
  readonly identity: Identity;
  readonly spec: Spec;
  /** Nodes this attempt is kept off, besides `spec.slurm.exclude`. */
  readonly excludedNodes: readonly string[];
  readonly site: Site;
  /**
   * Files that hold the secrets of `model.tokenFrom` and `endpoint.apiKeyFrom`: absolute, on a file system the compute
   * nodes share with the operator, readable by the job's user alone (0600), there before the job starts and until it ends.
   */
  readonly secretFiles?: { readonly hfToken?: string; readonly apiKey?: string };
  /** Text of `config/launch/serve.sh`: read once by `main`, constant. */
  readonly body: string;
};

/** The batch script of one attempt. Pure: the same input gives the same bytes. */
export function renderScript(input: LaunchInput): string {
  return composeScript(directives(input), launchVariables(input), input.body);
}

/**
 * sbatch stops looking for `#SBATCH` at the first command, which is the first assignment: a line break in a value
 * can begin no other directive.
 */
export function composeScript(options: readonly string[], variables: LaunchVariables, body: string): string {
  const assignments = Object.entries(variables).map(([name, value]) => assignment(name, value));
  return ['#!/bin/bash', ...options, ...assignments, body].join('\n');
}
