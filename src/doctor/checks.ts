import { checkAccounts } from './accounts.ts';
import { checkCluster, checkConnection, checkController, checkPrograms } from './cluster.ts';
import { checkDeployments, checkFit, checkPorts } from './deployments.ts';
import { checkEngine, checkHub } from './engine.ts';
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';
import { checkClock, checkRoute } from './network.ts';
import { checkPlacement } from './placement.ts';
import { checkCaches, checkDirectories, checkSharing } from './storage.ts';

/** Facts to findings; undefined: the facts for it are not there. Pure. */
export type Check = (facts: Facts) => readonly Finding[] | undefined;

/** In the order of cause and effect: what stands further up explains what is found below it. */
export const CHECKS = [
  { name: 'cluster', looks: 'which cluster jobs are for', check: checkCluster },
  { name: 'connection', looks: 'whether the login node is reached (cluster.ssh)', check: checkConnection },
  { name: 'programs', looks: 'the SLURM commands and their versions', check: checkPrograms },
  { name: 'controller', looks: 'whether the controller answers', check: checkController },
  { name: 'deployments', looks: 'whether every deployment can be read', check: checkDeployments },
  {
    name: 'placement',
    looks: 'partitions, their nodes, GPUs and limits, against what deployments ask',
    check: checkPlacement,
  },
  { name: 'accounts', looks: "account and QOS against the user's associations and limits", check: checkAccounts },
  { name: 'fit', looks: 'whether the models fit the GPUs', check: checkFit },
  { name: 'directories', looks: 'whether logs and state can be written', check: checkDirectories },
  { name: 'sharing', looks: 'whether a compute node sees the log directory (--job)', check: checkSharing },
  { name: 'caches', looks: 'whether model caches can be written', check: checkCaches },
  { name: 'engine', looks: 'vLLM in virtual environments, or on PATH where jobs run (--job)', check: checkEngine },
  { name: 'hub', looks: 'tokens for gated models', check: checkHub },
  { name: 'route', looks: 'whether compute nodes are reached from here', check: checkRoute },
  { name: 'clock', looks: 'whether clocks agree', check: checkClock },
  { name: 'ports', looks: 'whether ports are to be had', check: checkPorts },
] as const satisfies readonly { readonly name: string; readonly looks: string; readonly check: Check }[];

export type CheckName = (typeof CHECKS)[number]['name'];
export type Report = {
  readonly check: CheckName;
  readonly looks: string;
  /** Undefined: not looked at. */
  readonly findings: readonly Finding[] | undefined;
};

export function examine(facts: Facts): readonly Report[] {
  return CHECKS.map(({ name, looks, check }) => ({ check: name, looks, findings: check(facts) }));
}
