import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { type Catalog, EMPTY_CATALOG } from '../../api/catalog.ts';
import { type Key, keyText } from '../../api/key.ts';
import { FINALIZER, type Resource } from '../../api/resource.ts';
import { Status } from '../../api/status.ts';
import type { Clock } from '../../clock.ts';
import { err, ok, type Result } from '../../result.ts';
import type { Store, StoreError } from '../store.ts';
import { withinDeadline } from './deadline.ts';
import { createEditor, type Editor } from './edit.ts';
import { diskFiles, type Files } from './files.ts';
import { createLedger, type Intent, sealError } from './ledger.ts';
import { takePlace } from './place.ts';
import { createRounds } from './rounds.ts';
import { createScanner } from './scan.ts';
import { sharingFlushes } from './shared-flush.ts';
import { createSight } from './sight.ts';
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
  /** Presets that specs may name. */
  readonly catalog?: Catalog;
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
  catalog: EMPTY_CATALOG,
  log: (): void => undefined,
};
const WRITE_DEADLINE_MS = 30_000;

/** Resources from the files of a directory, their state in status files beside them. One controller at a time. */
export async function createDirectoryStore(
  options: DirectoryStoreOptions,
): Promise<Result<Store & DirectoryExtras, StoreError>> {
  const settings = { ...DIRECTORY_DEFAULTS, ...options };
  const { directory, clock, log, settleMs, newId, files, catalog } = settings;
  const taken = await takePlace(files, { directory, clock, newId, log });
  if (!taken.ok) return taken;
  const place = taken.value;

  const wakers: ((key: Key) => void)[] = [];
  const wake = (key: Key): void => {
    for (const waker of wakers) waker(key);
  };
  const ledger = createLedger({
    directory,
    files: sharingFlushes(files),
    storeId: place.id,
    newId,
    catalog,
    forbidden: place.forbidden,
  });
  const scan = createScanner({ ...settings, settle: settleMs > 0 });
  const sight = createSight({ ...settings, place, scan, ledger, wake });
  const rounds = createRounds(clock, async () => {
    notices.listen();
    const delayMs = await sight.look();
    if (sight.silence()) notices.close(); // what it listens to may be another directory by now
    return delayMs;
  });
  const notices = watchDirectory(directory, () => rounds.within(settleMs), log);

  /** A write by somebody who has looked: refused when what he saw is not what is. */
  async function writeSeen(
    seen: Resource,
    intend: (now: Resource) => Intent,
  ): Promise<Result<Resource | undefined, StoreError>> {
    const error = sight.silence();
    if (error) return err(error);
    const written = ledger.write(seen.key, (now) => {
      if (now?.uid !== seen.uid) return err(conflict(seen, 'is another resource now, or gone'));
      return now.version === seen.version ? intend(now) : err(conflict(seen, 'changed since it was read'));
    });
    const late = `${directory} did not answer a write in time; it may still land`;
    return withinDeadline(clock, WRITE_DEADLINE_MS, written, late);
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
  for (let looks = 0; looks < 3 && sight.isUnsettled(); looks += 1) {
    await setTimeout(settleMs); // not the clock's, which would let a process that has nothing else to do yet exit
    await rounds.now();
  }
  const outage = sight.silence();
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
    ...createEditor(settings),
    refresh: rounds.now,
    async list() {
      const error = sight.silence();
      return error ? err(error) : ok(ledger.resources());
    },
    async get(key) {
      const seal = ledger.sealed().get(keyText(key));
      const error = sight.silence() ?? (seal && sealError(seal));
      return error ? err(error) : ok(ledger.resource(key));
    },
    async writeStatus(seen, status) {
      const parsed = Status.safeParse(status);
      if (!parsed.success) return err(unreadable(seen, parsed.error.message));
      return writePresent(seen, () => ok({ status: parsed.data }));
    },
    addFinalizer: (seen) =>
      writePresent(seen, (now) =>
        ok(now.finalizers.includes(FINALIZER) ? 'nothing' : { finalizers: [...now.finalizers, FINALIZER] }),
      ),
    async releaseFinalizer(seen) {
      const now = ledger.resource(seen.key);
      if (!sight.silence() && !ledger.sealed().has(keyText(seen.key)) && now?.uid !== seen.uid) return ok(undefined);
      const released = await writeSeen(seen, ({ deletingSinceMs }) =>
        deletingSinceMs === undefined ? err(conflict(seen, 'is not being deleted')) : ok('forget'),
      );
      if (!released.ok) return released;
      await sight.admitSuccessors();
      return ok(undefined);
    },
    problems: sight.problems,
    watch: (waker) => void wakers.push(waker),
    close,
  });
}

const unreadable = ({ key }: Resource, why: string): StoreError => ({
  kind: 'unavailable',
  message: `this status of ${keyText(key)} could not be read back: ${why}`,
});
const conflict = (seen: Resource, what: string): StoreError => ({
  kind: 'conflict',
  message: `${keyText(seen.key)} ${what}`,
});
