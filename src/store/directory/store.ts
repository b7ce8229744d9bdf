import { randomUUID } from 'node:crypto';
import { type Key, keyText } from '../../api/key.ts';
import { FINALIZER, type Resource } from '../../api/resource.ts';
import { Status } from '../../api/status.ts';
import type { Clock } from '../../clock.ts';
import { err, ok, type Result } from '../../result.ts';
import type { Store, StoreError, StoreProblem } from '../store.ts';
import { createEditor, type Editor } from './edit.ts';
import { diskFiles, explainDisk, type Files } from './files.ts';
import { createLedger, type Intent, sealError } from './ledger.ts';
import { merge } from './merge.ts';
import { takePlace } from './place.ts';
import { createRounds } from './rounds.ts';
import { createScanner, type Scan } from './scan.ts';
import { watchDirectory } from './watch-directory.ts';

export type DirectoryStoreOptions = {
  readonly directory: string;
  readonly clock: Clock;
  readonly log?: (message: string) => void;
  /** The latest a change is seen where the kernel does not tell of it. */
  readonly rescanMs?: number;
  /** A changed file is read when it has stood still for so long; 0: at once. */
  readonly settleMs?: number;
  /** What no file declares for so long counts as removed. */
  readonly removalGraceMs?: number;
  /** Reading a file holds everything else up, about a second a MiB. */
  readonly maxFileBytes?: number;
  readonly newId?: () => string;
  readonly files?: Files;
};

export interface DirectoryExtras extends Editor {
  /** Looks at the directory now; resolves when what was found is in `list`. */
  refresh(): Promise<void>;
}

export const DIRECTORY_DEFAULTS = {
  rescanMs: 10_000,
  settleMs: 100,
  removalGraceMs: 3000,
  maxFileBytes: 1024 * 1024,
  newId: (): string => randomUUID(),
  files: diskFiles,
  log: (): void => undefined,
};
const WRITE_DEADLINE_MS = 30_000;
/** Looks that may be missed before the directory counts as silent: a network file system hangs rather than fails. */
const SILENT_AFTER_LOOKS = 6;

/** Resources from the files of a directory, their state in status files beside them. One controller at a time. */
export async function createDirectoryStore(
  options: DirectoryStoreOptions,
): Promise<Result<Store & DirectoryExtras, StoreError>> {
  const settings = { ...DIRECTORY_DEFAULTS, ...options };
  const { directory, clock, log, rescanMs, settleMs, removalGraceMs, newId, files } = settings;
  const taken = await takePlace(files, { directory, clock, newId, log });
  if (!taken.ok) return taken;
  const place = taken.value;

  const ledger = createLedger({ directory, files, storeId: place.id, newId, forbidden: place.forbidden });
  const scan = createScanner({ ...settings, settle: settleMs > 0 });
  const editor = createEditor(settings);
  const rounds = createRounds(clock, look);
  const notices = watchDirectory(directory, () => rounds.within(settleMs), log);
  const wakers: ((key: Key) => void)[] = [];

  let latest: Scan | undefined;
  let outage: StoreError | undefined;
  let lookedAtMs = clock.now();
  let unsettledLooks = 0;
  let missing: ReadonlyMap<string, number> = new Map();
  let rivals: readonly StoreProblem[] = [];
  let unwritten: readonly StoreProblem[] = [];

  async function look(): Promise<number> {
    const before = outage;
    notices.listen();
    outage = await place.distrusted();
    if (!outage) await lookAtFiles();
    if (outage)
      notices.close(); // what it listens to may be another directory by now
    else lookedAtMs = clock.now();
    if (outage && outage.message !== before?.message) log(outage.message);
    unsettledLooks = latest?.unsettled ? unsettledLooks + 1 : 0;
    return nextDelayMs();
  }

  async function lookAtFiles(): Promise<void> {
    const recordedBefore = ledger.recorded();
    try {
      latest = await scan();
    } catch (error) {
      outage = unavailable(`${directory} cannot be listed: ${explainDisk(error)}`);
      return;
    }
    const touched = await ledger.review(latest.statusFiles);
    await ledger.restore(recordedBefore, latest.statusFiles);
    for (const key of touched) wake(key);
    if (latest.changed || touched.length > 0 || missing.size > 0) await apply(latest);
  }

  async function apply({ readings }: Scan): Promise<void> {
    const sealed = new Set(ledger.sealed().keys());
    const nowMs = clock.now();
    const merged = merge({
      entries: ledger.entries(),
      readings,
      sealed,
      missing,
      nowMs,
      graceMs: removalGraceMs,
      newUid: newId,
    });
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

  function wake(key: Key): void {
    for (const waker of wakers) waker(key);
  }

  /** Why nothing can be told at present. */
  function silence(): StoreError | undefined {
    if (outage) return outage;
    const silentMs = clock.now() - lookedAtMs;
    if (silentMs <= rescanMs * SILENT_AFTER_LOOKS) return undefined;
    return unavailable(`${directory} has not answered for ${Math.round(silentMs / 1000)} s`);
  }

  /** A write by somebody who has looked: refused when what he saw is not what is. */
  async function writeSeen(
    seen: Resource,
    intend: (now: Resource) => Intent,
  ): Promise<Result<Resource | undefined, StoreError>> {
    const error = silence();
    if (error) return err(error);
    const written = ledger.write(seen.key, (now) => {
      if (now?.uid !== seen.uid) return err(conflict(seen, 'is another resource now, or gone'));
      return now.version === seen.version ? intend(now) : err(conflict(seen, 'changed since it was read'));
    });
    return within(clock, WRITE_DEADLINE_MS, written, `${directory} did not answer a write in time; it may still land`);
  }

  async function writePresent(
    seen: Resource,
    intend: (now: Resource) => Intent,
  ): Promise<Result<Resource, StoreError>> {
    const written = await writeSeen(seen, intend);
    if (!written.ok) return written;
    return written.value ? ok(written.value) : err(conflict(seen, 'is gone'));
  }

  await rounds.now();
  for (let looks = 0; looks < 3 && latest?.unsettled; looks += 1) {
    await new Promise<void>((resolve) => clock.after(settleMs, resolve));
    await rounds.now();
  }
  if (outage) {
    await close();
    return err(outage);
  }

  async function close(): Promise<void> {
    wakers.length = 0;
    notices.close();
    await rounds.stop();
    await ledger.idle();
    await place.leave();
  }

  return ok({
    id: place.id,
    ...editor,
    refresh: rounds.now,
    async list() {
      const error = silence();
      return error ? err(error) : ok(ledger.resources());
    },
    async get(key) {
      const seal = ledger.sealed().get(keyText(key));
      const error = silence() ?? (seal && sealError(seal));
      return error ? err(error) : ok(ledger.resource(key));
    },
    async writeStatus(seen, status) {
      const parsed = Status.safeParse(status);
      if (!parsed.success)
        return err(unavailable(`${keyText(seen.key)}: this status could not be read back: ${parsed.error.message}`));
      return writePresent(seen, () => ok({ status: parsed.data }));
    },
    addFinalizer: (seen) =>
      writePresent(seen, (now) =>
        ok(now.finalizers.includes(FINALIZER) ? 'nothing' : { finalizers: [...now.finalizers, FINALIZER] }),
      ),
    async releaseFinalizer(seen) {
      const now = ledger.resource(seen.key);
      if (!silence() && !ledger.sealed().has(keyText(seen.key)) && now?.uid !== seen.uid) return ok(undefined);
      const released = await writeSeen(seen, ({ deletingSinceMs }) =>
        deletingSinceMs === undefined ? err(conflict(seen, 'is not being deleted')) : ok('forget'),
      );
      if (!released.ok) return released;
      if (latest) await apply(latest); // its successor, where its name has come back meanwhile
      return ok(undefined);
    },
    problems: () => [
      ...[...(latest?.readings.values() ?? [])].flatMap((reading) => reading.problems),
      ...rivals,
      ...ledger.sealed().values(),
      ...unwritten,
    ],
    watch: (waker) => void wakers.push(waker),
    close,
  });
}

/** Work that hangs is left to itself; the caller is told that nothing may be concluded. */
async function within<T>(
  clock: Clock,
  deadlineMs: number,
  work: Promise<Result<T, StoreError>>,
  message: string,
): Promise<Result<T, StoreError>> {
  let withdraw = () => {};
  const late = new Promise<Result<T, StoreError>>((resolve) => {
    withdraw = clock.after(deadlineMs, () => resolve(err(unavailable(message))));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    withdraw();
  }
}

const unavailable = (message: string): StoreError => ({ kind: 'unavailable', message });
const conflict = (seen: Resource, what: string): StoreError => ({
  kind: 'conflict',
  message: `${keyText(seen.key)} ${what}`,
});
