import type { Result } from '../result.ts';

/** How a call to the API server may fail, by what the caller may conclude. */
export type ApiError =
  /**
   * It answered, and nothing was done. `code` is HTTP's, `reason` the API's own word such as `NotFound`, `about` the name
   * of the object it speaks of.
   */
  | {
      readonly kind: 'refused';
      readonly code: number;
      readonly reason: string;
      readonly message: string;
      readonly about?: string;
    }
  /** Never begun: no connection, or the server is too busy or still starting. */
  | { readonly kind: 'unreachable'; readonly message: string }
  /** It may have been done: the answer did not come, or not whole. */
  | { readonly kind: 'unknown'; readonly message: string };

export type ApiRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  /** From the root: `/apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** JSON; a PATCH is a merge patch. */
  readonly body?: unknown;
  /** For the whole call. Default 15 s. */
  readonly timeoutMs?: number;
};

export type WatchCall = {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** A stream that is silent for so long is given up: the other end may be gone without a word. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
  /** The server has accepted the watch. */
  opened(): void;
  /** One event, as JSON. */
  event(value: unknown): void;
};

/** The API server as the operator needs it. No call throws, and each has a deadline and a cap on what it reads. */
export interface KubernetesApi {
  request(request: ApiRequest): Promise<Result<unknown, ApiError>>;
  /** Resolves when the stream has ended, in good order or not; never before `signal` or one of the ends of it. */
  watch(call: WatchCall): Promise<Result<void, ApiError>>;
  close(): Promise<void>;
}

/** Names who wrote a field, in `metadata.managedFields`. */
export const FIELD_MANAGER = 'vllm-slurm-operator';

/** The object is not there. A 404 that names none is of the path: the whole kind is unknown, at present. */
export const isNotFound = (error: ApiError): boolean =>
  error.kind === 'refused' && error.code === 404 && error.about !== undefined;
export const isConflict = (error: ApiError): boolean => error.kind === 'refused' && error.code === 409;
/** The version asked for is too old to go on from: only a new list helps. */
export const isGone = (error: ApiError): boolean => error.kind === 'refused' && error.code === 410;
