import { type Dispatcher, request } from 'undici';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { err, ok, type Result } from '../result.ts';
import type { ProbeTarget } from './prober.ts';

const MAX_BODY_BYTES = 1024 * 1024;

const ModelList = z.object({ data: z.array(z.object({ id: z.string() })) });

type Way = { readonly agent: Dispatcher; readonly clock: Clock; readonly signal: AbortSignal };

/**
 * One probe: `/health`, then `/v1/models`, which must list the job's own model name. Both within `timeoutMs`.
 * Redirects are not followed: whoever answers with one is not the engine.
 * @returns the error in words
 */
export async function askEndpoint(target: ProbeTarget, { agent, clock, signal }: Way): Promise<Result<void, string>> {
  const deadline = new AbortController();
  const withdraw = clock.after(target.timeoutMs, () => deadline.abort());
  const options = { dispatcher: agent, signal: AbortSignal.any([signal, deadline.signal]) };
  try {
    const health = await get(`${target.url}/health`, options);
    if (!health.ok) return health;
    const models = await get(`${target.url}/v1/models`, { ...options, headers: keyHeader(target) });
    return models.ok ? findOwnName(models.value, target.ownModelName) : models;
  } catch (error) {
    return err(deadline.signal.aborted ? `no answer within ${target.timeoutMs / 1000} s` : inWords(error));
  } finally {
    withdraw();
  }
}

type RequestOptions = {
  readonly dispatcher: Dispatcher;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
};

/** Shown where it is needed and nowhere else: who answers is not known yet. */
const keyHeader = ({ apiKey }: ProbeTarget): Readonly<Record<string, string>> =>
  apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };

async function get(url: string, options: RequestOptions): Promise<Result<string, string>> {
  const { statusCode, body } = await request(url, options);
  const { pathname } = new URL(url);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return err(`${pathname} answered more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return statusCode === 200
    ? ok(Buffer.concat(chunks).toString('utf8'))
    : err(`${pathname} answered HTTP ${statusCode}`);
}

function findOwnName(text: string, ownModelName: string): Result<void, string> {
  const list = ModelList.safeParse(parseJson(text));
  if (!list.success) return err('/v1/models answered something that is no list of models');
  const names = list.data.data.map(({ id }) => id);
  if (names.includes(ownModelName)) return ok(undefined);
  return err(`another server answers there: it serves ${shown(names)}, not ${ownModelName}`);
}

function shown(names: readonly string[]): string {
  if (names.length === 0) return 'nothing';
  const few = names.slice(0, 5).map((name) => name.slice(0, 100));
  return names.length > few.length ? `${few.join(', ')} and ${names.length - few.length} more` : few.join(', ');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ENOTFOUND: 'the name of the node is not known here',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
};

function inWords(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  return WORDS[code ?? ''] ?? code ?? message ?? 'the probe failed';
}
