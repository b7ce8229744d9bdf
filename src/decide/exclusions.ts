import type { Spec } from '../api/spec.ts';
import type { ExcludedNode } from '../api/status.ts';
import { rfc3339 } from '../api/time.ts';

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

/**
 * @param usable nodes of the cluster that can run jobs, undefined when unknown: at least one always stays allowed
 * @returns names for `--exclude`, sorted. Source: sbatch(1).
 */
export function excludedNames(
  nodes: readonly ExcludedNode[],
  now: number,
  max: number,
  usable: readonly string[] | undefined,
): readonly string[] {
  const wanted = stillExcluded(nodes, now)
    .slice(0, usable ? max : Math.min(max, 1))
    .map((node) => node.name);
  if (!usable) return wanted.sort();
  let left = usable.length;
  return wanted.filter((name) => !usable.includes(name) || --left > 0).sort();
}
