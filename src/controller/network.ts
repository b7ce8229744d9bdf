import type { Clock } from '../clock.ts';
import type { ProbeMemory } from '../probe/prober.ts';

/** Whether endpoints that do not answer are to blame themselves, or our own way to them is. */
export type Network = {
  /**
   * What one deployment's probes came to.
   * @param served    by the endpoint's id, of those that have served: to us, or by their job's own word
   * @param answersMs within this time each of them is probed again, and the probe is over
   */
  heard(key: string, served: ReadonlyMap<string, ProbeMemory>, answersMs: number): void;
  /** Every endpoint of the fleet stopped answering at once; or they did, and not each has had the time to be heard again. */
  isSuspect(): boolean;
};

/** Fewer endpoints than this may all be down without our network being to blame. */
const FEW_ENDPOINTS = 2;
/** Then it is they who are down, whatever the reason: replacements may be reached. */
const SUSPICION_MS = 900_000;

export function createNetwork(clock: Pick<Clock, 'now'>): Network {
  const groups = new Map<string, { readonly served: ReadonlyMap<string, ProbeMemory>; readonly answersMs: number }>();
  /**
   * Epoch, ms: when endpoints that did not answer ceased to be followed. Counted until another has answered since, or
   * each of the others has had the time to be found silent as well.
   */
  let lostMs: readonly number[] = [];
  let silentSinceMs: number | undefined;
  let heardAgainMs = Number.NEGATIVE_INFINITY;

  function look(): void {
    const all = [...groups.values()].flatMap(({ served }) => [...served.values()]);
    const lastOkMs = Math.max(...all.map((memory) => memory.lastOkMs ?? Number.NEGATIVE_INFINITY));
    const answersMs = Math.max(0, ...[...groups.values()].map((one) => one.answersMs));
    lostMs = lostMs.filter((at) => at >= lastOkMs && clock.now() - at <= answersMs);
    const answers = !all.every(isFailing);
    if (silentSinceMs === undefined) {
      if (!answers && all.length > 0 && all.length + lostMs.length >= FEW_ENDPOINTS) silentSinceMs = clock.now();
    } else if (answers || all.length === 0) {
      // Only an answer clears our network, not that fewer endpoints are left.
      silentSinceMs = undefined;
      heardAgainMs = clock.now() + answersMs;
    }
  }

  return {
    heard(key, served, answersMs) {
      const left = [...(groups.get(key)?.served ?? [])].filter(([id, memory]) => isFailing(memory) && !served.has(id));
      lostMs = [...lostMs, ...left.map(() => clock.now())];
      if (served.size === 0) groups.delete(key);
      else groups.set(key, { served, answersMs });
      look();
    },
    isSuspect() {
      const now = clock.now();
      return silentSinceMs === undefined ? now <= heardAgainMs : now - silentSinceMs < SUSPICION_MS;
    },
  };
}

const isFailing = (memory: ProbeMemory): boolean => memory.failures > 0;
