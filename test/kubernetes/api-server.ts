import type { Clock } from '../../src/clock.ts';
import type { ApiError, ApiRequest, KubernetesApi, WatchCall } from '../../src/kubernetes/api.ts';
import { err, ok, type Result } from '../../src/result.ts';

/** An API server in memory, as far as the operator uses one; for scenarios on a hand-driven clock. */
export type MemoryApiServer = {
  readonly api: KubernetesApi;
  /** As a person would; the path is that of the object. */
  apply(path: string, object: Applied): void;
  get(path: string): Stored | undefined;
  /** Of the operator's calls so far, `METHOD path`, by what they are for. */
  calls(about: 'reads' | 'writes' | 'watches'): readonly string[];
};

type Applied = {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly [part: string]: unknown;
};

export type Stored = { readonly metadata: Metadata; readonly [part: string]: unknown };
type Metadata = {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
};

export function memoryApiServer(clock: Clock): MemoryApiServer {
  const objects = new Map<string, Stored>();
  const watchers = new Set<{ readonly below: string; tell(type: string, object: Stored): void }>();
  const calls = { reads: [] as string[], writes: [] as string[], watches: [] as string[] };
  let version = 0;

  function keep(path: string, object: Omit<Stored, 'metadata'> & { readonly metadata: object }): Stored {
    const known = objects.get(path);
    version += 1;
    const stored: Stored = {
      ...object,
      metadata: {
        uid: `uid-${version}`,
        generation: 1,
        creationTimestamp: new Date(clock.now()).toISOString(),
        ...(object.metadata as Pick<Metadata, 'name' | 'namespace'>),
        resourceVersion: String(version),
      },
    };
    objects.set(path, stored);
    told(path, known ? 'MODIFIED' : 'ADDED', stored);
    return stored;
  }

  function told(path: string, type: string, object: Stored): void {
    for (const watcher of watchers) if (isBelow(path, watcher.below)) watcher.tell(type, object);
  }

  async function request({ method, path, query, body }: ApiRequest): Promise<Result<unknown, ApiError>> {
    calls[method === 'GET' ? 'reads' : 'writes'].push(`${method} ${path}`);
    await Promise.resolve(); // an answer never comes within the call
    const sent = body as (object & { readonly metadata?: Partial<Metadata> }) | undefined;
    const at = path.replace(/\/status$/, '');
    const there = objects.get(at);
    if (method === 'GET') return there ? ok(there) : isCollection(path) ? ok(list(path, query)) : notFound;
    if (method === 'POST') {
      const made = `${path}/${sent?.metadata?.name}`;
      return objects.has(made)
        ? refused(409, 'AlreadyExists')
        : ok(keep(made, { ...sent, metadata: { ...sent?.metadata } }));
    }
    if (!there) return notFound;
    const { resourceVersion = there.metadata.resourceVersion } = sent?.metadata ?? {};
    if (resourceVersion !== there.metadata.resourceVersion) return refused(409, 'Conflict');
    if (method === 'DELETE') {
      objects.delete(at);
      told(at, 'DELETED', there);
      return ok({});
    }
    const change = method === 'PUT' ? { status: (sent as { readonly status?: unknown }).status } : sent;
    return ok(
      keep(at, { ...there, ...change, metadata: { ...there.metadata, ...(method === 'PATCH' && sent?.metadata) } }),
    );
  }

  function list(path: string, { labelSelector = '' }: Readonly<Record<string, string>> = {}): object {
    const wanted = labelSelector === '' ? [] : labelSelector.split(',').map((one) => one.split('='));
    const items = [...objects].filter(([at]) => isBelow(at, path)).map(([, object]) => object);
    return {
      metadata: { resourceVersion: String(version) },
      items: items.filter(({ metadata }) => wanted.every(([name = '', value]) => metadata.labels?.[name] === value)),
    };
  }

  /** It ends when the server would end it, or the caller does. */
  function watch({ path, query, signal, opened, event }: WatchCall): Promise<Result<void, ApiError>> {
    calls.watches.push(`GET ${path}`);
    opened();
    return new Promise((resolve) => {
      const watcher = { below: path, tell: (type: string, object: Stored) => event({ type, object }) };
      watchers.add(watcher);
      const end = (): void => {
        withdraw();
        watchers.delete(watcher);
        resolve(ok(undefined));
      };
      const withdraw = clock.after(Number(query.timeoutSeconds) * 1000, end);
      signal.addEventListener('abort', end, { once: true });
    });
  }

  return {
    api: { request, watch, close: async () => undefined },
    apply: (path, object) => void keep(path, object),
    get: (path) => objects.get(path),
    calls: (about) => calls[about],
  };
}

/** `/apis/G/V/namespaces/NS/PLURAL` and, of all namespaces, `/apis/G/V/PLURAL`. */
function isBelow(path: string, collection: string): boolean {
  const parts = /^(.*)\/namespaces\/[^/]+\/([^/]+)\/[^/]+$/.exec(path);
  return path.startsWith(`${collection}/`) || collection === `${parts?.[1]}/${parts?.[2]}`;
}

const isCollection = (path: string): boolean => /\/(vllmdeployments|endpointslices|events)$/.test(path);

const refused = (code: number, reason: string): Result<never, ApiError> =>
  err({ kind: 'refused', code, reason, message: `the API server answered ${code} ${reason}`, about: 'it' });
const notFound = refused(404, 'NotFound');
