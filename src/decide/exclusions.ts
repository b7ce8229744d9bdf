import type { Spec } from '../api/spec.ts';
import type { ExcludedNode } from '../api/status.ts';
import { rfc3339 } from '../api/time.ts';
import { expandNodeList } from '../slurm/node-list.ts';

/**
 * Adds blame to nodes. Excluded for a while, not for good, and only so many: a pending job keeps the list it was
 * submitted with, and a list that only grows ends in a job waiting for nodes it has itself forbidden.
 * @param before as on record; entries whose `until` has passed are dropped
 * @returns newest blame first, at most `max`
 */
export function exclude(
  before: readonly ExcludedNode[],
  blamed: readonly string[],
  reason: string,
  now: number,
  rule: Spec['restartPolicy']['excludeFailedNodes'],
): readonly ExcludedNode[] {
  const until = rfc3339(now + rule.ttlSeconds * 1000);
  const fresh = rule.ttlSeconds > 0 ? [...new Set(blamed)].map((name) => ({ name, reason, until })) : [];
  const kept = stillExcluded(before, now).filter((node) => !fresh.some((other) => other.name === node.name));
  return [...fresh, ...kept].slice(0, rule.max);
}

export function stillExcluded(nodes: readonly ExcludedNode[], now: number): readonly ExcludedNode[] {
  return nodes.filter((node) => Date.parse(node.until) > now);
}

/** Where the jobs of a spec may run at all. */
export type Placement = {
  /** Names of nodes that can run jobs and that the spec does not forbid; undefined: not known. */
  readonly usable: readonly string[] | undefined;
  /** Nodes the spec demands. */
  readonly required: readonly string[];
};

export function placementOf({ slurm }: Pick<Spec, 'slurm'>, usableNodes: readonly string[] | undefined): Placement {
  const forbidden = new Set(namesOf(slurm.exclude));
  return { usable: usableNodes?.filter((name) => !forbidden.has(name)), required: namesOf(slurm.nodelist) };
}

const namesOf = (lists: readonly string[]): readonly string[] => lists.flatMap((list) => expandNodeList(list) ?? []);

/**
 * At least one usable node always stays allowed, and each the spec demands: Slurm would start the job nowhere.
 * @returns names for `--exclude`, sorted. Source: sbatch(1).
 */
export function excludedNames(
  nodes: readonly ExcludedNode[],
  now: number,
  max: number,
  { usable, required }: Placement,
): readonly string[] {
  const wanted = stillExcluded(nodes, now)
    .map((node) => node.name)
    .filter((name) => !required.includes(name))
    .slice(0, usable ? max : Math.min(max, 1));
  if (!usable) return wanted.sort();
  // Whichever comes back first may be the only one.
  if (usable.length === 0) return [];
  let left = usable.length;
  return wanted.filter((name) => !usable.includes(name) || --left > 0).sort();
}
