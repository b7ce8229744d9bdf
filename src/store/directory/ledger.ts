import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Catalog } from '../../api/catalog.ts';
import { type Key, keyText } from '../../api/key.ts';
import type { Resource } from '../../api/resource.ts';
import { err, ok, type Result } from '../../result.ts';
import type { StoreError, StoreProblem } from '../store.ts';
import { abreast } from './abreast.ts';
import { codeOf, explainDisk, type Files, type NewFile } from './files.ts';
import { type Entry, viewOf } from './merge.ts';
import { statusFileKey, statusFileName } from './names.ts';
import { readRecord } from './read-record.ts';
import { formatRecord } from './record.ts';
import { writeWhole } from './write-whole.ts';

/** What a write changes; all else is as the files have it by then. */
export type Patch = Partial<Pick<Resource, 'status' | 'finalizers' | 'deletingSinceMs'>>;
export type Intent = Result<Patch | 'forget' | 'nothing', StoreError>;

/** The resources in memory, and their status files. Writes to one key go one after the other. */
export interface Ledger {
  entries(): ReadonlyMap<string, Entry>;
  /** Keys whose status file cannot be read: no word about them, and no write, until it is mended or removed. */
  sealed(): ReadonlyMap<string, StoreProblem>;
  resource(key: Key): Resource | undefined;
  resources(): readonly Resource[];
  /** Into memory alone. @returns whether anybody could see a difference */
  put(entry: Entry): boolean;
  /**
   * Writes down what `intend` makes of the resource as it is when its turn comes.
   * @returns the resource as it is then; undefined once it is forgotten
   */
  write(key: Key, intend: (now: Resource | undefined) => Intent): Promise<Result<Resource | undefined, StoreError>>;
  /** Takes note of status files that came, went, or were mended by hand. @returns whose */
  review(statusFiles: ReadonlySet<string>): Promise<readonly Key[]>;
  /** Status files there should be, as of now. */
  recorded(): ReadonlySet<string>;
  /** Writes anew what somebody took away: jobs hang on the uid and the counters, and memory still has them. */
  restore(recordedBefore: ReadonlySet<string>, present: ReadonlySet<string>): Promise<void>;
  idle(): Promise<void>;
}

export type LedgerOptions = {
  readonly directory: string;
  readonly files: Files;
  readonly storeId: string;
  readonly newId: () => string;
  readonly catalog: Catalog;
  /** Why nothing may be written now: the lock is lost, the directory is another. */
  readonly forbidden: () => Promise<StoreError | undefined>;
};

export function createLedger({ directory, files, storeId, newId, catalog, forbidden }: LedgerOptions): Ledger {
  const entries = new Map<string, Entry>();
  const views = new Map<string, Resource>();
  const sealed = new Map<string, StoreProblem>();
  const recorded = new Set<string>();
  const queues = new Map<string, Promise<unknown>>();
  let revision = 0;

  function put(entry: Entry): boolean {
    const { resource } = entry.held;
    const name = keyText(resource.key);
    const before = entries.get(name);
    entries.set(name, entry);
    if (before && before.held.resource === resource && isDeepStrictEqual(before.obstacles, entry.obstacles))
      return false;
    revision += 1;
    views.set(name, viewOf(entry, String(revision)));
    return true;
  }

  function forget(name: string): void {
    entries.delete(name);
    views.delete(name);
    recorded.delete(name);
  }

  function inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const turn = (queues.get(name) ?? Promise.resolve()).then(work);
    const settled = turn
      .catch(() => undefined)
      .then(() => {
        if (queues.get(name) === settled) queues.delete(name);
      });
    queues.set(name, settled);
    return turn;
  }

  function write(
    key: Key,
    intend: (now: Resource | undefined) => Intent,
  ): Promise<Result<Resource | undefined, StoreError>> {
    const name = keyText(key);
    return inTurn(name, async () => {
      const seal = sealed.get(name);
      if (seal) return err(sealError(seal));
      const intent = intend(views.get(name));
      if (!intent.ok) return intent;
      const entry = entries.get(name);
      if (!entry || intent.value === 'nothing') return ok(views.get(name));
      const no = await forbidden();
      if (no) return err(no);
      try {
        await carryOut(name, entry, intent.value);
      } catch (error) {
        const path = join(directory, statusFileName(key));
        return err({ kind: 'unavailable', message: `${path} cannot be written: ${explainDisk(error)}` });
      }
      return ok(views.get(name));
    });
  }

  async function carryOut(name: string, entry: Entry, intent: Patch | 'forget'): Promise<void> {
    const path = join(directory, statusFileName(entry.held.resource.key));
    if (intent === 'forget') {
      await remove(path);
      forget(name);
      return;
    }
    const patched = patch(entry, intent);
    const text = formatRecord({ held: patched.held, source: patched.source, storeId });
    await writeWhole(files, path, text, newId(), await likeness(path, entry.source));
    recorded.add(name);
    put(patch(entries.get(name) ?? entry, intent)); // an edit may have been seen meanwhile
  }

  /** The status file repeats the spec: whoever may not read the one may not read the other. */
  async function likeness(path: string, source: string): Promise<NewFile> {
    const facts = await files.facts(join(directory, source)).catch(() => files.facts(path).catch(() => undefined));
    return facts ? { mode: (facts.mode & 0o644) | 0o600, owner: facts.owner } : { mode: 0o644 };
  }

  async function remove(path: string): Promise<void> {
    try {
      await files.unlink(path);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    await files.flushDirectory(directory);
  }

  async function review(statusFiles: ReadonlySet<string>): Promise<readonly Key[]> {
    const touched: Key[] = [];
    const stale = [...sealed].filter(([, problem]) => !statusFiles.has(problem.file));
    for (const [name, { file }] of stale) {
      sealed.delete(name);
      const key = statusFileKey(file);
      if (key) touched.push(key);
    }
    await abreast([...statusFiles], async (file) => {
      const key = statusFileKey(file);
      const name = key ? keyText(key) : file;
      if (entries.has(name)) return;
      await inTurn(name, async () => {
        if (entries.has(name)) return;
        const record = await readRecord(files, directory, file, { storeId, catalog });
        if (record && !record.ok) sealed.set(name, record.error);
        else sealed.delete(name);
        if (!record?.ok || !key) return;
        recorded.add(name);
        put({ held: record.value.held, source: record.value.source, obstacles: [] });
        touched.push(key);
      });
    });
    return touched;
  }

  async function restore(recordedBefore: ReadonlySet<string>, present: ReadonlySet<string>): Promise<void> {
    await abreast([...recordedBefore], async (name) => {
      const key = entries.get(name)?.held.resource.key;
      if (!key || present.has(statusFileName(key))) return;
      await write(key, () => ok(recorded.has(name) ? {} : 'nothing'));
    });
  }

  return {
    entries: () => entries,
    sealed: () => sealed,
    resource: (key) => views.get(keyText(key)),
    resources: () => [...views.values()],
    put,
    write,
    review,
    restore,
    recorded: () => new Set(recorded),
    idle: async () => {
      while (queues.size > 0) await Promise.all(queues.values());
    },
  };
}

export function sealError({ file, line, message }: StoreProblem): StoreError {
  return { kind: 'unavailable', message: `${line === undefined ? file : `${file}:${line}`}: ${message}` };
}

function patch(entry: Entry, change: Patch): Entry {
  if (Object.keys(change).length === 0) return entry;
  return { ...entry, held: { ...entry.held, resource: { ...entry.held.resource, ...change } } };
}
