import type { Submission } from '../../src/slurm/slurm.ts';
import { NAMESPACE } from '../fleet.ts';

/** What `raw-loop.ts` is given, as a file of JSON. */
export type RawTask = {
  readonly kubeconfig: string;
  readonly submissions: readonly { readonly deployment: string; readonly submission: Submission }[];
  /** Deployments worked on at once. */
  readonly atOnce: number;
  readonly submissionsAtOnce: number;
  /** Of one deployment, as the operator left it. */
  readonly status: object;
  readonly statusWrites: number;
  readonly service: { readonly metadata: { readonly labels: Readonly<Record<string, string>> } };
  /** Of one deployment, as the operator sent them. */
  readonly events: readonly object[];
};

/** What it prints. */
export type RawLoop = {
  /** Without the start of this process. */
  readonly seconds: number;
};

export const SERVICES = `/api/v1/namespaces/${NAMESPACE}/services`;
export const EVENTS = `/apis/events.k8s.io/v1/namespaces/${NAMESPACE}/events`;
