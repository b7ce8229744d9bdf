import type { ApiError, ApiRequest, KubernetesApi, WatchCall } from '../../src/kubernetes/api.ts';
import { err, ok, type Result } from '../../src/result.ts';

export type Body = { readonly metadata: Readonly<Record<string, unknown>>; readonly [field: string]: unknown };

/** An API server by hand: the test says what a list answers and what a watch tells, and when. */
export type HandDriven = KubernetesApi & {
  readonly requests: readonly ApiRequest[];
  readonly watches: readonly WatchCall[];
  /** What every list answers from here on. */
  lists(answer: Result<readonly Body[], ApiError>, version?: string): void;
  /** What any other call answers from here on; undefined: as a list. */
  answers(how: (request: ApiRequest) => Result<unknown, ApiError> | undefined): void;
  /** The watch that is open, or the newest one. */
  tell(event: unknown): void;
  ends(how?: Result<void, ApiError>): void;
};

export function handDriven(): HandDriven {
  const requests: ApiRequest[] = [];
  const watches: WatchCall[] = [];
  let listing: Result<unknown, ApiError> = ok(page([], '1'));
  let others: (request: ApiRequest) => Result<unknown, ApiError> | undefined = () => undefined;
  let end: (how: Result<void, ApiError>) => void = () => undefined;
  return {
    requests,
    watches,
    async request(request) {
      requests.push(request);
      return others(request) ?? listing;
    },
    watch(call) {
      watches.push(call);
      call.opened();
      return new Promise((resolve) => {
        end = resolve;
        call.signal.addEventListener('abort', () => resolve(err({ kind: 'unknown', message: 'given up' })));
      });
    },
    lists(answer, version = '1') {
      listing = answer.ok ? ok(page(answer.value, version)) : answer;
    },
    answers(how) {
      others = how;
    },
    tell: (event) => watches.at(-1)?.event(event),
    ends: (how = ok(undefined)) => end(how),
    async close() {},
  };
}

const page = (items: readonly Body[], resourceVersion: string): object => ({ metadata: { resourceVersion }, items });

export function object(name: string, version: number, more: Readonly<Record<string, unknown>> = {}): Body {
  return {
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-${name}`,
      resourceVersion: String(version),
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...more,
    },
    spec: {},
  };
}
