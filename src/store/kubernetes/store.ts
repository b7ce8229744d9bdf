import { type Key, keyText } from '../../api/key.ts';
import { API_VERSION, FINALIZER, KIND, type Resource } from '../../api/resource.ts';
import { Status } from '../../api/status.ts';
import { type Clock, withinMs } from '../../clock.ts';
import { type ApiError, FIELD_MANAGER, isConflict, isNotFound, type KubernetesApi } from '../../kubernetes/api.ts';
import { KubernetesObject, keyOfObject } from '../../kubernetes/object.ts';
import type { Reflector } from '../../kubernetes/reflector.ts';
import { createReflector } from '../../kubernetes/reflector.ts';
import { err, ok, type Result } from '../../result.ts';
import type { Store, StoreError, StoreProblem } from '../store.ts';
import { LAST_GOOD_ANNOTATION, noteWanted } from './last-good.ts';
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
  const reading = createReading();
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

  async function look(key: Key): Promise<Result<KubernetesObject | undefined, StoreError>> {
    const answer = await api.request({ method: 'GET', path: objectPath(key) });
    if (!answer.ok) return isNotFound(answer.error) ? ok(undefined) : err(storeError(answer.error, key));
    return objectIn(answer.value);
  }

  /** One write on what was seen. The answer goes into the cache; after an answer that was lost, so does a new look. */
  async function write(
    seen: Resource,
    request: { readonly method: 'PUT' | 'PATCH'; readonly part?: 'status'; readonly body: object },
  ): Promise<Result<KubernetesObject, StoreError>> {
    const reflector = reflectorOf(seen.key);
    if (!reflector) return err(outOfScope(seen.key));
    const { method, part, body } = request;
    const answer = await api.request({
      method,
      path: part === undefined ? objectPath(seen.key) : `${objectPath(seen.key)}/${part}`,
      query: { fieldManager: FIELD_MANAGER },
      body,
    });
    if (answer.ok) {
      const object = objectIn(answer.value);
      if (object.ok) reflector.cache.wrote(object.value);
      return object;
    }
    if (answer.error.kind === 'unknown' || isConflict(answer.error)) {
      const now = await look(seen.key);
      if (now.ok && now.value) reflector.cache.put(now.value);
    }
    return err(storeError(answer.error, seen.key));
  }

  /** The last good spec where an operator that starts later finds it. @returns the version after that */
  async function note(seen: Resource): Promise<Result<string, StoreError>> {
    const cached = reflectorOf(seen.key)?.cache.get(seen.key);
    const wanted = cached && noteWanted(seen, cached);
    if (wanted === undefined || cached?.metadata.resourceVersion !== seen.version) return ok(seen.version);
    const annotations = { [LAST_GOOD_ANNOTATION]: wanted };
    const written = await write(seen, { method: 'PATCH', body: { metadata: { ...metadataOf(seen), annotations } } });
    return written.ok ? ok(written.value.metadata.resourceVersion) : written;
  }

  const metadataOf = (seen: Resource) => ({ uid: seen.uid, resourceVersion: seen.version });

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
      const objects = all.flatMap(({ cache }) => cache.all());
      return ok(objects.map(resourceOf).flatMap((read) => (read.ok ? [read.value] : [])));
    },
    async get(key) {
      const reflector = reflectorOf(key);
      if (!reflector) return err(outOfScope(key));
      const error = silence(reflector);
      if (error) return err(error);
      const cached = reflector.cache.get(key);
      if (cached) return resourceOf(cached);
      // Absence is not taken from a cache that may be a moment behind: jobs would be cancelled for it.
      const found = await look(key);
      if (!found.ok || !found.value) return found.ok ? ok(undefined) : found;
      return resourceOf(found.value);
    },
    async writeStatus(seen, status) {
      const parsed = Status.safeParse(status);
      if (!parsed.success)
        return err(unavailable(`this status of ${keyText(seen.key)} could not be read back: ${parsed.error.message}`));
      const noted = await note(seen);
      if (!noted.ok) return noted;
      const written = await write(seen, {
        method: 'PUT',
        part: 'status',
        body: {
          apiVersion: API_VERSION,
          kind: KIND,
          metadata: { ...seen.key, ...metadataOf(seen), resourceVersion: noted.value },
          status: parsed.data,
        },
      });
      return written.ok ? resourceOf(written.value) : written;
    },
    async addFinalizer(seen) {
      if (seen.finalizers.includes(FINALIZER)) return ok(seen);
      const finalizers = [...seen.finalizers, FINALIZER];
      const written = await write(seen, { method: 'PATCH', body: { metadata: { ...metadataOf(seen), finalizers } } });
      return written.ok ? resourceOf(written.value) : written;
    },
    async releaseFinalizer(seen) {
      if (seen.deletingSinceMs === undefined) {
        const now = await look(seen.key);
        if (now.ok && now.value?.metadata.uid !== seen.uid) return ok(undefined);
        return now.ok ? err(conflict(seen.key, 'is not being deleted')) : now;
      }
      const finalizers = seen.finalizers.filter((name) => name !== FINALIZER);
      const written = await write(seen, { method: 'PATCH', body: { metadata: { ...metadataOf(seen), finalizers } } });
      if (written.ok) {
        if (finalizers.length === 0) reflectorOf(seen.key)?.cache.letGo(written.value);
        return ok(undefined);
      }
      if (written.error.kind !== 'conflict') return written;
      const now = await look(seen.key);
      if (!now.ok) return now;
      return now.value?.metadata.uid === seen.uid ? written : ok(undefined);
    },
    problems: () => all.flatMap(({ cache }) => cache.all()).flatMap((object) => problemOf(object, resourceOf(object))),
    watch: (waker) => void wakers.push(waker),
    close,
  });
}

function objectIn(value: unknown): Result<KubernetesObject, StoreError> {
  const parsed = KubernetesObject.safeParse(value);
  return parsed.success
    ? ok(parsed.data)
    : err(unavailable(`the API server answered what is no object: ${parsed.error.message}`));
}

function problemOf(object: KubernetesObject, read: Result<Resource, StoreError>): readonly StoreProblem[] {
  return read.ok ? [] : [{ file: objectPath(keyOfObject(object)), message: read.error.message }];
}

function storeError(error: ApiError, key: Key): StoreError {
  if (isNotFound(error)) return conflict(key, 'is gone');
  if (isConflict(error)) return conflict(key, 'changed since it was read, or is another resource now');
  const doubt = error.kind === 'unknown' ? '; a write may have been done, and is looked for' : '';
  return unavailable(`${keyText(key)}: ${error.message}${doubt}`);
}

const unavailable = (message: string): StoreError => ({ kind: 'unavailable', message });
const conflict = (key: Key, what: string): StoreError => ({ kind: 'conflict', message: `${keyText(key)} ${what}` });
const outOfScope = (key: Key): StoreError =>
  unavailable(`${keyText(key)} is in a namespace that this operator does not look after`);
