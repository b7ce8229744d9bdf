import type { Clock } from '../clock.ts';
import type { ProbeMemory } from '../probe/prober.ts';

/** Whether endpoints that do not answer are to blame themselves, or our own way to them is. */
export type Network = {
  /**
   * What one deployment's probes came to.
   * @param served    of those endpoints that have served: to us, or by their job's own word
   * @param answersMs within this time each of them is probed again, and the probe is over
   */
  heard(key: string, served: readonly ProbeMemory[], answersMs: number): void;
  /** Every endpoint of the fleet stopped answering at once; or they did, and not each has had the time to be heard again. */
  isSuspect(): boolean;
};

/** Fewer endpoints than this may all be down without our network being to blame. */
const FEW_ENDPOINTS = 2;
/** Then it is they who are down, whatever the reason: replacements may be reached. */
const SUSPICION_MS = 900_000;

export function createNetwork(clock: Pick<Clock, 'now'>): Network {
  const groups = new Map<string, { readonly followed: number; readonly silent: number; readonly answersMs: number }>();
  let silentSinceMs: number | undefined;
  let heardAgainMs = Number.NEGATIVE_INFINITY;

  function look(): void {
    const all = [...groups.values()];
    const followed = all.reduce((sum, one) => sum + one.followed, 0);
    const answers = all.some((one) => one.silent < one.followed);
    if (silentSinceMs === undefined) {
      if (!answers && followed >= FEW_ENDPOINTS) silentSinceMs = clock.now();
    } else if (answers || followed === 0) {
      // Only an answer clears our network, not that fewer endpoints are left.
      silentSinceMs = undefined;
      heardAgainMs = clock.now() + Math.max(0, ...all.map((one) => one.answersMs));
    }
  }

  return {
    heard(key, served, answersMs) {
      if (served.length === 0) groups.delete(key);
      else groups.set(key, { followed: served.length, silent: served.filter(isFailing).length, answersMs });
      look();
    },
    isSuspect() {
      const now = clock.now();
      return silentSinceMs === undefined ? now <= heardAgainMs : now - silentSinceMs < SUSPICION_MS;
    },
  };
}

const isFailing = (memory: ProbeMemory): boolean => memory.failures > 0;
