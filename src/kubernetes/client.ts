import { createHash } from 'node:crypto';
import { type Dispatcher, request as send } from 'undici';
import { err, ok, type Result } from '../result.ts';
import type { ApiError, ApiRequest, KubernetesApi, WatchCall } from './api.ts';
import { createLineReader, readWhole } from './body.ts';
import type { Credentials, TlsMaterial } from './credentials.ts';
import { failureOf, refusalOf } from './failure.ts';

const TIMEOUT_MS = 15_000;
/** A page of a list; one resource is at most 1.5 MiB, by a limit of etcd. */
const LONGEST_BODY_BYTES = 256 * 1024 * 1024;
const LONGEST_EVENT_BYTES = 16 * 1024 * 1024;

export function createKubernetesApi(credentials: Credentials, userAgent: string): KubernetesApi {
  // Watches have connections of their own: what is stuck in one holds no call up.
  const calls = createPools(credentials);
  const watches = createPools(credentials);

  async function open(
    pools: Pools,
    { method, path, query = {}, body }: ApiRequest,
    options: { readonly signal: AbortSignal; readonly headersTimeout: number; readonly bodyTimeout: number },
  ): Promise<Dispatcher.ResponseData> {
    // An authenticator may ask a server or a program of its own: it stands under the same deadline.
    const { headers, tls } = await unlessAborted(credentials.present(), options.signal);
    const search = new URLSearchParams(query).toString();
    return send(`${credentials.server}${path}${search === '' ? '' : `?${search}`}`, {
      method,
      dispatcher: pools.for(tls),
      headers: {
        ...headers,
        'user-agent': userAgent,
        accept: 'application/json',
        ...(body !== undefined && {
          'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
        }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...options,
    });
  }

  return {
    async request(request) {
      const timeoutMs = request.timeoutMs ?? TIMEOUT_MS;
      const deadline = AbortSignal.timeout(timeoutMs);
      try {
        const response = await open(calls, request, {
          signal: deadline,
          headersTimeout: timeoutMs,
          bodyTimeout: timeoutMs,
        });
        return await answerOf(response);
      } catch (error) {
        return err(failureOf(error));
      }
    },
    async watch(call) {
      try {
        const response = await open(
          watches,
          { method: 'GET', path: call.path, query: { ...call.query, watch: '1' } },
          { signal: call.signal, headersTimeout: TIMEOUT_MS, bodyTimeout: call.idleMs },
        );
        return await followed(response, call);
      } catch (error) {
        return err(failureOf(error));
      }
    },
    async close() {
      await Promise.all([calls.close(), watches.close()]);
    },
  };
}

async function answerOf(response: Dispatcher.ResponseData): Promise<Result<unknown, ApiError>> {
  const text = await readWhole(response.body, LONGEST_BODY_BYTES);
  if (response.statusCode >= 300) return err(refusalOf(response.statusCode, text));
  return ok(JSON.parse(text));
}

async function followed(response: Dispatcher.ResponseData, call: WatchCall): Promise<Result<void, ApiError>> {
  if (response.statusCode >= 300)
    return err(refusalOf(response.statusCode, await readWhole(response.body, LONGEST_EVENT_BYTES)));
  call.opened();
  const lines = createLineReader(LONGEST_EVENT_BYTES);
  for await (const piece of response.body) {
    for (const line of lines.take(piece)) call.event(JSON.parse(line));
  }
  return ok(undefined);
}

type Pools = { for(tls: TlsMaterial): Dispatcher; close(): Promise<void> };

/** One pool at a time; when the certificates rotate a new one takes over and the old one ends with its last call. */
function createPools(credentials: Credentials): Pools {
  let current: { readonly print: string; readonly dispatcher: Dispatcher } | undefined;
  return {
    for(tls) {
      const print = createHash('sha256').update(JSON.stringify(tls)).digest('hex');
      if (current?.print === print) return current.dispatcher;
      void current?.dispatcher.close().catch(() => undefined);
      current = { print, dispatcher: credentials.connect(tls) };
      return current.dispatcher;
    },
    async close() {
      await current?.dispatcher.destroy();
      current = undefined;
    },
  };
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let give = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    give = () => reject(signal.reason);
    signal.addEventListener('abort', give, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', give);
  }
}
