import type { Key } from '../api/key.ts';
import type { Resource } from '../api/resource.ts';
import type { Status } from '../api/status.ts';
import type { Result } from '../result.ts';

export type StoreError =
  /** Somebody wrote in between, or the resource is another one now: look again. */
  | { readonly kind: 'conflict'; readonly message: string }
  /** The store does not answer, or its disk refuses: hold, nothing may be concluded. */
  | { readonly kind: 'unavailable'; readonly message: string };

/** A place in the store that holds no readable resource: told to people, harms nobody else. */
export type StoreProblem = { readonly file: string; readonly line?: number; readonly message: string };

/** Where resources live. Held to `test/contract/store.ts`. No call throws. */
export interface Store {
  /** Names this store for ever, a DNS-safe word: the `owner` in the jobs' markers. */
  readonly id: string;
  /**
   * Every resource, the deleted ones whose finalizer is held included. Complete, or an error; only a resource whose own
   * memory cannot be read is left out and told in `problems`, for the others' sake: that one is gone, `get` alone proves.
   */
  list(): Promise<Result<readonly Resource[], StoreError>>;
  /** `undefined`: it is certainly not there. */
  get(key: Key): Promise<Result<Resource | undefined, StoreError>>;
  /** Writes the status if the resource is still the one seen (uid and version); answers the resource as it is then. */
  writeStatus(seen: Resource, status: Status): Promise<Result<Resource, StoreError>>;
  /** From here on the resource does not vanish before `releaseFinalizer`. */
  addFinalizer(seen: Resource): Promise<Result<Resource, StoreError>>;
  /** The last trace of the resource goes. */
  releaseFinalizer(seen: Resource): Promise<Result<void, StoreError>>;
  problems(): readonly StoreProblem[];
  /** Wakes by name, never with content; lost notices are caught by a periodic `list`. */
  watch(wake: (key: Key) => void): void;
  close(): Promise<void>;
}
