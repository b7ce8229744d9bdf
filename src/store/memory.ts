import type { Catalog } from '../api/catalog.ts';
import { type Key, keyText } from '../api/key.ts';
import { FINALIZER, type Resource } from '../api/resource.ts';
import { Status } from '../api/status.ts';
import type { Clock } from '../clock.ts';
import { err, ok, type Result } from '../result.ts';
import { admit, annotate, type Declared, declare, type Held, revise } from './revise.ts';
import type { Store, StoreError } from './store.ts';

export type MemoryStoreOptions = {
  readonly clock: Clock;
  /** Makes uids. */
  readonly newId: () => string;
  readonly id?: string;
  readonly catalog?: Catalog;
};

export type StoreCall = 'list' | 'get' | 'writeStatus' | 'addFinalizer' | 'releaseFinalizer';
/** `lost`: the write takes effect and only its answer fails. */
export type StoreFault = 'conflict' | 'unavailable' | 'lost';

/** A store without a disk, for scenarios: a person's hand and the faults of a real store, at once and in order. */
export interface MemoryStore extends Store {
  /**
   * Creates or edits. A resource that is being deleted takes the annotations only; the rest waits until that one is
   * gone, and makes another with a new uid.
   */
  apply(key: Key, rawSpec: unknown, annotations?: Readonly<Record<string, string>>): void;
  /** Deletes: at once without a finalizer, else from here on `deletingSinceMs` says so. */
  remove(key: Key): void;
  /** The next `times` calls of `call`, for whatever resource, fail like this. */
  failNext(call: StoreCall, fault: StoreFault, times?: number): void;
  /** As if what the store remembers of it could not be read: out of `list`, `get` is unavailable, nothing is written. */
  seal(key: Key): void;
  /** No call fails by itself any more, and nothing is sealed. */
  heal(): void;
  /** Successful writes so far: a turn in which nothing changed must not add to it. */
  writes(): number;
}

export function createMemoryStore({ clock, newId, id = 'memory', catalog }: MemoryStoreOptions): MemoryStore {
  const entries = new Map<string, Held>();
  const successors = new Map<string, Declared>();
  const faults = new Map<StoreCall, StoreFault[]>();
  const sealed = new Set<string>();
  const wakers: ((key: Key) => void)[] = [];
  let revision = 0;
  let writes = 0;

  function put(held: Held): Resource {
    revision += 1;
    const resource = { ...held.resource, version: String(revision) };
    entries.set(keyText(resource.key), { ...held, resource });
    return resource;
  }

  function wake(key: Key): void {
    for (const waker of wakers) waker(key);
  }

  function apply(key: Key, rawSpec: unknown, annotations: Readonly<Record<string, string>> = {}): void {
    const name = keyText(key);
    const declared = declare(rawSpec, annotations, catalog);
    const held = entries.get(name);
    const deleting = held?.resource.deletingSinceMs !== undefined;
    if (deleting) successors.set(name, declared);
    const next = !held
      ? admit(key, declared, { uid: newId(), atMs: clock.now() })
      : deleting
        ? annotate(held, annotations)
        : revise(held, declared);
    if (next === held) return;
    put(next);
    wake(key);
  }

  function remove(key: Key): void {
    const name = keyText(key);
    const held = entries.get(name);
    successors.delete(name);
    if (!held || held.resource.deletingSinceMs !== undefined) return;
    if (held.resource.finalizers.length === 0) entries.delete(name);
    else put({ ...held, resource: { ...held.resource, deletingSinceMs: clock.now() } });
    wake(key);
  }

  /** Carries a write out under the fault that is due, if the resource is still the one seen. */
  function write<T>(call: StoreCall, seen: Resource, change: (held: Held) => T): Result<T, StoreError> {
    const fault = faults.get(call)?.shift();
    if (fault === 'conflict') return err(conflict(seen, 'was written by somebody else'));
    if (fault === 'unavailable' || sealed.has(keyText(seen.key)))
      return err({ kind: 'unavailable', message: 'the store does not answer' });
    const held = entries.get(keyText(seen.key));
    if (!held || held.resource.uid !== seen.uid) return err(conflict(seen, 'is another resource now, or gone'));
    if (held.resource.version !== seen.version) return err(conflict(seen, 'changed since it was read'));
    const value = change(held);
    writes += 1;
    if (fault === 'lost') return err({ kind: 'unavailable', message: 'the answer of the store was lost' });
    return ok(value);
  }

  function read<T>(call: StoreCall, fails: boolean, answer: () => T): Result<T, StoreError> {
    const fault = faults.get(call)?.shift();
    return fault || fails ? err({ kind: 'unavailable', message: 'the store does not answer' }) : ok(answer());
  }

  function unsealed(): readonly Resource[] {
    const open = [...entries].filter(([name]) => !sealed.has(name));
    return open.map(([, held]) => held.resource);
  }

  function release(held: Held): void {
    const { key } = held.resource;
    const successor = successors.get(keyText(key));
    entries.delete(keyText(key));
    successors.delete(keyText(key));
    if (!successor) return;
    put(admit(key, successor, { uid: newId(), atMs: clock.now() }));
    wake(key);
  }

  return {
    id,
    apply,
    remove,
    failNext: (call, fault, times = 1) => {
      faults.set(call, [...(faults.get(call) ?? []), ...Array<StoreFault>(times).fill(fault)]);
    },
    seal: (key) => void sealed.add(keyText(key)),
    heal: () => {
      faults.clear();
      sealed.clear();
    },
    writes: () => writes,
    list: async () => read('list', false, unsealed),
    get: async (key) => read('get', sealed.has(keyText(key)), () => entries.get(keyText(key))?.resource),
    writeStatus: async (seen, status) => {
      // Like a real store: a copy, without fields the schema does not know, and never what cannot be read back.
      const parsed = Status.safeParse(status);
      if (!parsed.success) return err({ kind: 'unavailable', message: `status refused: ${parsed.error.message}` });
      return write('writeStatus', seen, (held) =>
        put({ ...held, resource: { ...held.resource, status: parsed.data } }),
      );
    },
    addFinalizer: async (seen) => {
      if (seen.finalizers.includes(FINALIZER)) return ok(seen);
      return write('addFinalizer', seen, (held) =>
        put({ ...held, resource: { ...held.resource, finalizers: [FINALIZER] } }),
      );
    },
    releaseFinalizer: async (seen) => {
      const held = entries.get(keyText(seen.key));
      if (!faults.get('releaseFinalizer')?.length && held?.resource.uid !== seen.uid) return ok(undefined);
      if (seen.deletingSinceMs === undefined) return err(conflict(seen, 'is not being deleted'));
      return write('releaseFinalizer', seen, release);
    },
    problems: () => Array.from(sealed, (name) => ({ file: name, message: 'what is remembered of it cannot be read' })),
    watch: (waker) => void wakers.push(waker),
    close: async () => {
      wakers.length = 0;
    },
  };
}

function conflict(seen: Resource, what: string): StoreError {
  return { kind: 'conflict', message: `${keyText(seen.key)} ${what}` };
}
