import type { Clock } from '../clock.ts';
import { ok, type Result } from '../result.ts';
import { type ApiError, isGone, type KubernetesApi } from './api.ts';
import { createCache, type ObjectCache } from './cache.ts';
import { refusalIn } from './failure.ts';
import { listAll } from './list.ts';
import { KubernetesObject } from './object.ts';
import { WatchEvent } from './watch-event.ts';

export type ReflectorOptions = {
  readonly api: KubernetesApi;
  /** Of the collection: `/apis/GROUP/VERSION/PLURAL`, or below one namespace. */
  readonly path: string;
  readonly clock: Clock;
  /** 0 to 1, evenly: clients that lost one server do not come back to the next all at once. */
  readonly random: () => number;
  /** An object came, changed or went (`after` undefined). */
  changed(before: KubernetesObject | undefined, after: KubernetesObject | undefined): void;
  log(message: string): void;
  /** A silent watch is opened anew after this long. Bookmarks come about once a minute, so a quiet one is, too: cheap. */
  readonly idleMs?: number;
  /** However well the watch does, everything is listed again this often. */
  readonly relistMs?: number;
};

/** What the API server holds of one kind, kept by list and watch that begin again after every kind of end. */
export type Reflector = {
  readonly cache: ObjectCache;
  /** Resolves when the first list is in; rejects never. */
  readonly synced: Promise<void>;
  /** Lists now, beside the watch: from here on the cache is no older than this call. */
  refresh(): Promise<Result<void, ApiError>>;
  /** For how many ms the cache may be behind: since a list, an event or an accepted watch last proved it present. */
  behindMs(): number;
  /** Why it is behind; undefined while it is not. */
  trouble(): ApiError | undefined;
  close(): Promise<void>;
};

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 10_000;
/** A watch that lasted so long was a watch. */
const LIVED_MS = 1_000;
/** The server ends each watch after so long, spread by half, so that servers coming and going are evened out. */
const WATCH_SECONDS = 240;

export function createReflector(options: ReflectorOptions): Reflector {
  const { api, path, clock, random, changed, log, idleMs = 35_000, relistMs = 300_000 } = options;
  const cache = createCache(changed);
  const ending = new AbortController();
  const synced = Promise.withResolvers<void>();
  let provedMs = Number.NEGATIVE_INFINITY;
  let trouble: ApiError | undefined;
  let failures = 0;
  let withdrawWait = (): void => undefined;

  function proved(): void {
    provedMs = clock.now();
    trouble = undefined;
  }

  /** @returns the version to watch from */
  async function list(): Promise<Result<string, ApiError>> {
    const listed = await listAll(api, path);
    if (!listed.ok) return listed;
    const { objects, version } = listed.value;
    proved();
    cache.replace(objects, version);
    return ok(version);
  }

  async function run(): Promise<void> {
    let version: string | undefined;
    let listedMs = 0;
    while (!ending.signal.aborted) {
      if (version === undefined || clock.now() - listedMs >= relistMs) {
        listedMs = clock.now();
        const listed = await list();
        if (!listed.ok) {
          await failed(listed.error, 'the list');
          continue;
        }
        version = listed.value;
        failures = 0;
        synced.resolve();
      }
      const ended = await follow(version);
      version = ended.version;
      if (ended.error) await failed(ended.error, 'the watch');
    }
  }

  /** @returns from which version to go on; undefined: from a new list */
  async function follow(from: string): Promise<{ readonly version: string | undefined; readonly error?: ApiError }> {
    let version = from;
    let said: ApiError | undefined;
    const leaving = new AbortController();
    const leave = (): void => leaving.abort();
    ending.signal.addEventListener('abort', leave, { once: true });
    if (ending.signal.aborted) leave();
    let openedMs: number | undefined;
    const seconds = Math.round(WATCH_SECONDS * (1 + random() / 2));
    const ended = await api.watch({
      path,
      query: { resourceVersion: from, allowWatchBookmarks: 'true', timeoutSeconds: String(seconds) },
      idleMs,
      signal: leaving.signal,
      opened() {
        openedMs = clock.now();
        proved();
      },
      event(value) {
        const { type, object } = WatchEvent.parse(value);
        if (type === 'ERROR') {
          said = refusalIn(object);
          leave();
          return;
        }
        proved();
        if (type === 'BOOKMARK') {
          version = object.metadata.resourceVersion;
          return;
        }
        const seen = KubernetesObject.parse(object);
        version = seen.metadata.resourceVersion;
        if (type === 'DELETED') cache.remove(seen);
        else cache.put(seen);
      },
    });
    ending.signal.removeEventListener('abort', leave);
    const error = said ?? (ended.ok ? undefined : ended.error);
    if (error && isGone(error)) return { version: undefined };
    // A watch that lived and then fell silent, was cut or ended in its time goes on from where it was. One that ends as
    // soon as it begins is not opened again at once, for ever.
    if (said === undefined && openedMs !== undefined && clock.now() - openedMs >= LIVED_MS) {
      failures = 0;
      return { version };
    }
    return { version, error: error ?? { kind: 'unknown', message: 'the watch ended as soon as it began' } };
  }

  async function failed(error: ApiError, what: string): Promise<void> {
    if (ending.signal.aborted) return;
    if (failures === 3) log(`${what} of ${path} fails; it is tried again and again: ${error.message}`);
    failures += 1;
    trouble = error;
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (failures - 1), LONGEST_WAIT_MS) * (0.5 + random());
    await new Promise<void>((resolve) => {
      const withdraw = clock.after(waitMs, resolve);
      withdrawWait = () => {
        withdraw();
        resolve();
      };
    });
  }

  const running = run();
  return {
    cache,
    synced: synced.promise,
    async refresh() {
      const listed = await list();
      return listed.ok ? ok(undefined) : listed;
    },
    behindMs: () => clock.now() - provedMs,
    trouble: () => trouble,
    async close() {
      ending.abort();
      withdrawWait();
      await running;
    },
  };
}
