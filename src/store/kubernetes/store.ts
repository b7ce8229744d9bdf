import type { Catalog } from '../../api/catalog.ts';
import { type Key, keyText } from '../../api/key.ts';
import { FINALIZER, type Resource } from '../../api/resource.ts';
import { Status } from '../../api/status.ts';
import { type Clock, withinMs } from '../../clock.ts';
import type { KubernetesApi } from '../../kubernetes/api.ts';
import { type KubernetesObject, keyOfObject } from '../../kubernetes/object.ts';
import { createReflector, type Reflector } from '../../kubernetes/reflector.ts';
import { err, ok, type Result } from '../../result.ts';
import type { Store, StoreError, StoreProblem } from '../store.ts';
import { conflict, outOfScope, unavailable } from './errors.ts';
import { createObjects } from './objects.ts';
import { collectionPath, objectPath } from './paths.ts';
import { isNews } from './read-object.ts';
import { createReading } from './reading.ts';
import { readClusterId } from './store-id.ts';

export type KubernetesStoreOptions = {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: (message: string) => void;
  /** Those whose resources are looked after; none: all. */
  readonly namespaces?: readonly string[];
  /** Default: from the uid of the namespace `kube-system`, which outlives everything else of a cluster. */
  readonly id?: string;
  readonly idleMs?: number;
  /** Presets that specs may name. */
  readonly catalog?: Catalog;
  readonly relistMs?: number;
};

export interface KubernetesExtras {
  /** From here on what is read is no older than this call: for whoever begins to act on what others did before. */
  refresh(): Promise<Result<void, StoreError>>;
}

/** A cache that was not proved present for so long is no knowledge any more. */
const STALE_MS = 45_000;
const FIRST_LIST_MS = 30_000;

/** Resources of the Kubernetes API. Read from a cache that list and watch keep; written with the version that was seen. */
export async function createKubernetesStore(
  options: KubernetesStoreOptions,
): Promise<Result<Store & KubernetesExtras, StoreError>> {
  const { api, clock } = options;
  const namespaces = [...new Set(options.namespaces ?? [])];
  const id = options.id === undefined ? await readClusterId(api, clock) : ok(options.id);
  if (!id.ok) return id;

  const wakers: ((key: Key) => void)[] = [];
  const reading = createReading(options.catalog);
  const reflectors = new Map<string, Reflector>();
  for (const namespace of namespaces.length === 0 ? [''] : namespaces)
    reflectors.set(
      namespace,
      createReflector({
        ...options,
        path: collectionPath(namespace),
        changed(before, after) {
          if (after) reading.read(after);
          else if (before) reading.forget(before);
          const seen = after ?? before;
          if (seen && isNews(before, after)) for (const wake of wakers) wake(keyOfObject(seen));
        },
      }),
    );
  const all = [...reflectors.values()];
  const reflectorOf = (key: Key): Reflector | undefined => reflectors.get(namespaces.length === 0 ? '' : key.namespace);

  async function close(): Promise<void> {
    wakers.length = 0;
    await Promise.all(all.map((reflector) => reflector.close()));
  }

  /** undefined: what is in the cache is how it is, or was a moment ago. */
  function silence(reflector: Reflector): StoreError | undefined {
    if (reflector.behindMs() <= STALE_MS) return undefined;
    const why = reflector.trouble()?.message ?? 'no answer';
    return unavailable(`the API server has said nothing of the deployments for a while: ${why}`);
  }

  function resourceOf(object: KubernetesObject): Result<Resource, StoreError> {
    const read = reading.read(object);
    return read.ok
      ? read
      : err(unavailable(`the status of ${keyText(keyOfObject(object))} cannot be read: ${read.error}`));
  }

  const objects = createObjects(api, (key) => reflectorOf(key)?.cache);
  const listed = await withinMs(clock, FIRST_LIST_MS, Promise.all(all.map(({ synced }) => synced)));
  if (!listed) {
    const why = all.map((reflector) => reflector.trouble()?.message).find((message) => message !== undefined);
    await close();
    return err(unavailable(`the deployments could not be listed: ${why ?? 'no answer'}`));
  }

  return ok({
    id: id.value,
    async refresh() {
      const listed = await Promise.all(all.map((reflector) => reflector.refresh()));
      const failed = listed.find((one) => !one.ok);
      return failed && !failed.ok ? err(unavailable(failed.error.message)) : ok(undefined);
    },
    async list() {
      const error = all.map(silence).find((found) => found !== undefined);
      if (error) return err(error);
      const cached = all.flatMap(({ cache }) => cache.all());
      return ok(cached.map(resourceOf).flatMap((read) => (read.ok ? [read.value] : [])));
    },
    async get(key) {
      const reflector = reflectorOf(key);
      if (!reflector) return err(outOfScope(key));
      const error = silence(reflector);
      if (error) return err(error);
      const cached = reflector.cache.get(key);
      if (cached) return resourceOf(cached);
      // Absence is not taken from a cache that may be a moment behind: jobs would be cancelled for it.
      const found = await objects.look(key);
      if (!found.ok || !found.value) return found.ok ? ok(undefined) : found;
      return resourceOf(found.value);
    },
    async writeStatus(seen, status) {
      const parsed = Status.safeParse(status);
      if (!parsed.success)
        return err(unavailable(`this status of ${keyText(seen.key)} could not be read back: ${parsed.error.message}`));
      const written = await objects.putStatus(seen, parsed.data);
      return written.ok ? resourceOf(written.value) : written;
    },
    async addFinalizer(seen) {
      if (seen.finalizers.includes(FINALIZER)) return ok(seen);
      const written = await objects.patchFinalizers(seen, [...seen.finalizers, FINALIZER]);
      return written.ok ? resourceOf(written.value) : written;
    },
    async releaseFinalizer(seen) {
      if (seen.deletingSinceMs === undefined) {
        const now = await objects.look(seen.key);
        if (now.ok && now.value?.metadata.uid !== seen.uid) return ok(undefined);
        return now.ok ? err(conflict(seen.key, 'is not being deleted')) : now;
      }
      const finalizers = seen.finalizers.filter((name) => name !== FINALIZER);
      const written = await objects.patchFinalizers(seen, finalizers);
      if (written.ok) {
        if (finalizers.length === 0) reflectorOf(seen.key)?.cache.letGo(written.value);
        return ok(undefined);
      }
      if (written.error.kind !== 'conflict') return written;
      const now = await objects.look(seen.key);
      if (!now.ok) return now;
      return now.value?.metadata.uid === seen.uid ? written : ok(undefined);
    },
    problems: () => all.flatMap(({ cache }) => cache.all()).flatMap((object) => problemOf(object, resourceOf(object))),
    watch: (waker) => void wakers.push(waker),
    close,
  });
}

function problemOf(object: KubernetesObject, read: Result<Resource, StoreError>): readonly StoreProblem[] {
  return read.ok ? [] : [{ file: objectPath(keyOfObject(object)), message: read.error.message }];
}
