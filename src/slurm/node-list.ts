/** More names than any allocation has: a list that claims more is not believed. */
const MOST_NAMES = 65_536;

/**
 * Slurm's host list to names, in its order: `n[1-3,07],login` is `n1 n2 n3 n07 login`. Several brackets a name are
 * crossed, the last one turning fastest; leading zeros give the width.
 * @returns empty for what Slurm prints when there are no nodes; undefined when it is no host list
 * Source: scontrol(1) `show hostnames`, whose answers the tests hold.
 */
export function expandNodeList(text: string): readonly string[] | undefined {
  if (NO_NODES.has(text)) return [];
  const names: string[] = [];
  for (const part of splitOutsideBrackets(text) ?? ['']) {
    const expanded = expandOne(part, MOST_NAMES - names.length);
    if (expanded === undefined) return undefined;
    names.push(...expanded);
  }
  return names;
}

/** Printed by squeue, scontrol and sacct in turn. */
const NO_NODES: ReadonlySet<string> = new Set(['', '(null)', 'None', 'None assigned']);

/** Commas part names outside of brackets and ranges inside. */
function splitOutsideBrackets(text: string): readonly string[] | undefined {
  const parts = text.match(/(?:\[[^\]]*\]|[^,[\]])+/g) ?? [];
  return parts.join(',') === text ? parts : undefined;
}

function expandOne(part: string, room: number): readonly string[] | undefined {
  if (!/^(?:[A-Za-z0-9_.-]|\[[0-9,-]+\])+$/.test(part)) return undefined;
  let names: readonly string[] = [''];
  for (const [, literal, ranges] of part.matchAll(/([^[\]]+)|\[([^\]]+)\]/g)) {
    const next = literal === undefined ? expandRanges(ranges ?? '', room) : [literal];
    if (next === undefined || names.length * next.length > room) return undefined;
    names = names.flatMap((name) => next.map((end) => name + end));
  }
  return names;
}

function expandRanges(ranges: string, room: number): readonly string[] | undefined {
  const numbers: string[] = [];
  for (const range of ranges.split(',')) {
    const [, from, to = from] = /^(\d{1,15})(?:-(\d{1,15}))?$/.exec(range) ?? [];
    if (from === undefined || to === undefined) return undefined;
    const [first, last] = [Number(from), Number(to)];
    if (last < first || numbers.length + last - first >= room) return undefined;
    for (let n = first; n <= last; n++) numbers.push(String(n).padStart(from.length, '0'));
  }
  return numbers;
}
