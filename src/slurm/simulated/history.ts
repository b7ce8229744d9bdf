import type { World } from './world.ts';

export type History = {
  now(): World;
  /** Makes this the present and answers it. */
  record(world: World): World;
  /** The cluster as it was at `atMs`, or at the earliest instant still remembered. */
  at(atMs: number): World;
};

/** Remembers past worlds for stale views and crashed controllers. They share their parts: keeping them costs little. */
export function createHistory(first: World, keepMs = 600_000): History {
  let past: World[] = [first];
  let present = first;

  function record(world: World): World {
    if (world === present) return world;
    const unchanged = world.jobs === present.jobs && world.nodes === present.nodes && world.pending === present.pending;
    present = world;
    if (!unchanged) past.push(world);
    const oldest = past[1];
    if (past.length > 1024 && oldest && oldest.nowMs < world.nowMs - keepMs)
      past = past.slice(past.findLastIndex((one) => one.nowMs <= world.nowMs - keepMs));
    return world;
  }

  return {
    now: () => present,
    record,
    at: (atMs) => (present.nowMs <= atMs ? present : (past.findLast((one) => one.nowMs <= atMs) ?? (past[0] as World))),
  };
}
