import type { Key } from '../../api/key.ts';
import { API_VERSION, KIND, type Resource } from '../../api/resource.ts';
import type { Status } from '../../api/status.ts';
import { FIELD_MANAGER, isConflict, isNotFound, type KubernetesApi } from '../../kubernetes/api.ts';
import type { ObjectCache } from '../../kubernetes/cache.ts';
import { KubernetesObject } from '../../kubernetes/object.ts';
import { err, ok, type Result } from '../../result.ts';
import type { StoreError } from '../store.ts';
import { outOfScope, storeError, unavailable } from './errors.ts';
import { LAST_GOOD_ANNOTATION, noteWanted } from './last-good.ts';
import { objectPath } from './paths.ts';

type Answer = Promise<Result<KubernetesObject, StoreError>>;

/** One object at a time, at the API server itself. Every write names the uid and the version it was decided on. */
export type Objects = {
  /** `undefined`: it is certainly not there. */
  look(key: Key): Promise<Result<KubernetesObject | undefined, StoreError>>;
  /** The whole of the status, and nothing else; before it what is to be noted for an operator that starts later. */
  putStatus(seen: Resource, status: Status): Answer;
  patchFinalizers(seen: Resource, finalizers: readonly string[]): Answer;
};

/** @param cacheOf learns what was written, and, where a write failed, what is there instead; undefined: out of scope */
export function createObjects(api: KubernetesApi, cacheOf: (key: Key) => ObjectCache | undefined): Objects {
  async function look(key: Key): ReturnType<Objects['look']> {
    const answer = await api.request({ method: 'GET', path: objectPath(key) });
    if (!answer.ok) return isNotFound(answer.error) ? ok(undefined) : err(storeError(answer.error, key));
    return objectIn(answer.value);
  }

  async function write(key: Key, method: 'PUT' | 'PATCH', path: string, body: object): Answer {
    const cache = cacheOf(key);
    if (!cache) return err(outOfScope(key));
    const answer = await api.request({ method, path, query: { fieldManager: FIELD_MANAGER }, body });
    if (answer.ok) {
      const object = objectIn(answer.value);
      if (object.ok) cache.wrote(object.value);
      return object;
    }
    if (answer.error.kind === 'unknown' || isConflict(answer.error)) {
      const now = await look(key);
      if (now.ok && now.value) cache.put(now.value);
    }
    return err(storeError(answer.error, key));
  }

  const patch = ({ key, uid, version }: Resource, metadata: object): Answer =>
    write(key, 'PATCH', objectPath(key), { metadata: { uid, resourceVersion: version, ...metadata } });

  /** @returns the version after that */
  async function note(seen: Resource): Promise<Result<string, StoreError>> {
    const cached = cacheOf(seen.key)?.get(seen.key);
    const wanted = cached && noteWanted(seen, cached);
    if (wanted === undefined || cached?.metadata.resourceVersion !== seen.version) return ok(seen.version);
    const written = await patch(seen, { annotations: { [LAST_GOOD_ANNOTATION]: wanted } });
    return written.ok ? ok(written.value.metadata.resourceVersion) : written;
  }

  return {
    look,
    async putStatus(seen, status) {
      const { key, uid } = seen;
      const noted = await note(seen);
      if (!noted.ok) return noted;
      const metadata = { ...key, uid, resourceVersion: noted.value };
      return write(key, 'PUT', `${objectPath(key)}/status`, { apiVersion: API_VERSION, kind: KIND, metadata, status });
    },
    patchFinalizers: (seen, finalizers) => patch(seen, { finalizers }),
  };
}

function objectIn(value: unknown): Result<KubernetesObject, StoreError> {
  const parsed = KubernetesObject.safeParse(value);
  return parsed.success
    ? ok(parsed.data)
    : err(unavailable(`the API server answered what is no object: ${parsed.error.message}`));
}
