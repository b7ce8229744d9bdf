/** GPUs of one type on a node. */
export type Gpus = {
  /** `''` where the site names none. */
  readonly type: string;
  readonly total: number;
  /** Held by jobs, those that are completing included. */
  readonly used: number;
};

/** GPUs of one type in a cluster. */
export type GpuCount = Pick<Gpus, 'type' | 'total'> & {
  /** On nodes where jobs can run, now or when others have ended. */
  readonly usable: number;
  /** Of those, held by no job. What else a job needs, CPUs or a reservation, may lack beside them. */
  readonly free: number;
};

/**
 * @param gres as SLURM lists what a node has: `gpu:h100:4(S:0-1),gpu:a100:2,craynetwork:1`, `gpu:4`, `(null)`
 * @param used as it lists what jobs hold of it: `gpu:h100:2(IDX:0,3)`, `gpu:(null):1(IDX:0)`, `gpu:2`
 * @returns one entry a type, in the order of `gres`
 */
export function gpusOf(gres: string, used: string): readonly Gpus[] {
  const totals = sums(readGpus(gres));
  const held = sums(readGpus(used));
  // The two may name types differently, as where only one of slurm.conf and gres.conf does: what is held is held.
  let unnamed = [...held].reduce((sum, [type, count]) => (totals.has(type) ? sum : sum + count), 0);
  return [...totals].map(([type, total]) => {
    const named = Math.min(total, held.get(type) ?? 0);
    const more = Math.min(total - named, unnamed);
    unnamed -= more;
    return { type, total, used: named + more };
  });
}

/** Each entry of a list of SLURM's; a type may have several. */
export function readGpus(gres: string): readonly { readonly type: string; readonly count: number }[] {
  const found = gres.matchAll(/(?:^|,)gpu(?::(\(null\)|[^:,()]+(?=:)))?:(\d+)/g);
  return Array.from(found, ([, type = '', count]) => ({ type: type === '(null)' ? '' : type, count: Number(count) }));
}

/** @returns one entry a type, the most frequent first */
export function countGpus(
  nodes: readonly { readonly isUsable: boolean; readonly gpus: readonly Gpus[] }[],
): readonly GpuCount[] {
  const counts = new Map<string, GpuCount>();
  for (const { isUsable, gpus } of nodes)
    for (const { type, total, used } of gpus) {
      const so = counts.get(type) ?? { type, total: 0, usable: 0, free: 0 };
      counts.set(type, {
        type,
        total: so.total + total,
        usable: so.usable + (isUsable ? total : 0),
        free: so.free + (isUsable ? total - used : 0),
      });
    }
  return [...counts.values()].sort((a, b) => b.total - a.total || (a.type < b.type ? -1 : 1));
}

function sums(entries: ReturnType<typeof readGpus>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { type, count } of entries) counts.set(type, (counts.get(type) ?? 0) + count);
  return counts;
}
