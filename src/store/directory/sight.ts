import { type Key, keyText } from '../../api/key.ts';
import type { Clock } from '../../clock.ts';
import { ok } from '../../result.ts';
import type { StoreError, StoreProblem } from '../store.ts';
import { explainDisk } from './files.ts';
import type { Ledger } from './ledger.ts';
import { merge } from './merge.ts';
import type { Place } from './place.ts';
import type { Scan } from './scan.ts';

/** What is seen of the directory, brought into the ledger look by look. */
export interface Sight {
  /** Does not throw. @returns after how many ms the next look is due */
  look(): Promise<number>;
  /** Lets in what has waited for a name to become free. */
  admitSuccessors(): Promise<void>;
  /** Why nothing can be told at present. */
  silence(): StoreError | undefined;
  /** Files wait for a second look before they are read. */
  isUnsettled(): boolean;
  problems(): readonly StoreProblem[];
}

export type SightOptions = {
  readonly directory: string;
  readonly clock: Clock;
  readonly place: Pick<Place, 'distrusted'>;
  readonly scan: () => Promise<Scan>;
  readonly ledger: Ledger;
  readonly wake: (key: Key) => void;
  readonly log: (message: string) => void;
  readonly newId: () => string;
  readonly rescanMs: number;
  readonly settleMs: number;
  readonly removalGraceMs: number;
};

/** Looks that may be missed before the directory counts as silent: a network file system hangs rather than fails. */
const SILENT_AFTER_LOOKS = 6;

export function createSight(options: SightOptions): Sight {
  const { directory, clock, place, scan, ledger, wake, log, newId, rescanMs, settleMs, removalGraceMs } = options;
  let latest: Scan | undefined;
  let outage: StoreError | undefined;
  let lookedAtMs = clock.now();
  let unsettledLooks = 0;
  let missing: ReadonlyMap<string, number> = new Map();
  let rivals: readonly StoreProblem[] = [];
  let unwritten: readonly StoreProblem[] = [];

  async function look(): Promise<number> {
    const before = outage;
    try {
      outage = (await place.distrusted()) ?? (await lookAtFiles());
    } catch (error) {
      // A mistake of ours, not of the disk's: told like one, and the looks go on.
      outage = unavailable(`${directory} could not be made sense of: ${explainDisk(error)}`);
    }
    if (!outage) lookedAtMs = clock.now();
    else if (outage.message !== before?.message) log(outage.message);
    unsettledLooks = latest?.unsettled ? unsettledLooks + 1 : 0;
    return nextDelayMs();
  }

  async function lookAtFiles(): Promise<StoreError | undefined> {
    const recordedBefore = ledger.recorded();
    let seen: Scan;
    try {
      seen = await scan();
    } catch (error) {
      return unavailable(`${directory} cannot be listed: ${explainDisk(error)}`);
    }
    latest = seen;
    const touched = await ledger.review(seen.statusFiles);
    await ledger.restore(recordedBefore, seen.statusFiles);
    for (const key of touched) wake(key);
    if (seen.changed || touched.length > 0 || missing.size > 0) await apply(seen);
    return undefined;
  }

  async function apply({ readings }: Scan): Promise<void> {
    const sealed = new Set(ledger.sealed().keys());
    const times = { nowMs: clock.now(), graceMs: removalGraceMs };
    const merged = merge({ entries: ledger.entries(), readings, sealed, missing, ...times, newUid: newId });
    missing = merged.missing;
    rivals = merged.problems;
    for (const entry of merged.changed.values()) {
      if (ledger.put(entry)) wake(entry.held.resource.key);
    }
    const refused = await Promise.all(merged.removed.map(markRemoved));
    unwritten = refused.flatMap((problem) => problem ?? []);
  }

  /** What cannot be written down has not happened: the resource stays as it was, and the next look tries again. */
  async function markRemoved(key: Key): Promise<StoreProblem | undefined> {
    const done = await ledger.write(key, (now) => {
      if (!now || now.deletingSinceMs !== undefined) return ok('nothing');
      return ok(now.finalizers.length === 0 ? 'forget' : { deletingSinceMs: clock.now() });
    });
    if (!done.ok) return { file: keyText(key), message: `its removal waits: ${done.error.message}` };
    wake(key);
    return undefined;
  }

  function nextDelayMs(): number {
    if (unsettledLooks > 0) return Math.min(settleMs * 2 ** Math.min(unsettledLooks - 1, 16), rescanMs);
    if (missing.size === 0) return rescanMs;
    const dueMs = Math.min(...missing.values()) + removalGraceMs;
    return Math.min(Math.max(dueMs - clock.now(), 1000), rescanMs);
  }

  return {
    look,
    admitSuccessors: async () => {
      if (latest) await apply(latest);
    },
    silence() {
      const silentMs = clock.now() - lookedAtMs;
      if (outage || silentMs <= rescanMs * SILENT_AFTER_LOOKS) return outage;
      return unavailable(`${directory} has not answered for ${Math.round(silentMs / 1000)} s`);
    },
    isUnsettled: () => latest?.unsettled ?? false,
    problems: () => [
      ...[...(latest?.readings.values() ?? [])].flatMap((reading) => reading.problems),
      ...rivals,
      ...ledger.sealed().values(),
      ...unwritten,
    ],
  };
}

const unavailable = (message: string): StoreError => ({ kind: 'unavailable', message });
