import { type Dispatcher, request } from 'undici';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { err, ok, type Result } from '../result.ts';
import type { ProbeTarget } from './prober.ts';

const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** For one look at the counters, which any engine that is not dead shows at once. */
const LOOK_MS = 3_000;
/** Between two looks: longer than any step of an engine that is at work. */
const LOOK_AGAIN_MS = 2_000;

const ModelList = z.object({ data: z.array(z.object({ id: z.string() })) });
const Completion = z.object({ choices: z.array(z.unknown()).min(1) });
const Embeddings = z.object({ data: z.array(z.unknown()).min(1) });

type Way = { readonly agent: Dispatcher; readonly clock: Clock; readonly signal: AbortSignal };

/**
 * One probe: `/health`, then `/v1/models`, which must list the job's own model name, then one token under that name; all
 * within `timeoutMs`. `/health` alone stays 200 when a node of several is gone. A token that does not come in time may
 * only be queued: what the engine's counters say meanwhile is proof enough.
 * Redirects are not followed: whoever answers with one is not the engine.
 * @returns the error in words
 */
export async function askEndpoint(target: ProbeTarget, way: Way): Promise<Result<void, string>> {
  const ask = asker(target, way);
  const deadline = withDeadline(way, target.timeoutMs);
  let queued = false;
  try {
    const health = await ask('/health', deadline.signal);
    if (!health.ok) return inErrorWords(health.error);
    const models = await ask('/v1/models', deadline.signal);
    const own = models.ok ? findOwnName(models.value, target.ownModelName) : inErrorWords(models.error);
    if (!own.ok) return own;
    queued = true;
    return await askForToken(target.ownModelName, (path, body) => ask(path, deadline.signal, body));
  } catch (error) {
    if (!deadline.signal.aborted || way.signal.aborted) return err(inWords(error));
    const silence = `no ${queued ? 'token' : 'answer'} within ${target.timeoutMs / 1000} s`;
    return queued && (await isAtWork(ask, way)) ? ok(undefined) : err(silence);
  } finally {
    deadline.withdraw();
  }
}

type Refusal = { readonly path: string; readonly words: string; readonly statusCode?: number };
type Ask = (path: string, signal: AbortSignal, body?: object) => Promise<Result<string, Refusal>>;

/** Shown where it is needed and nowhere else: vLLM guards what is below `/v1`. */
const keyHeader = ({ apiKey }: ProbeTarget, path: string): Readonly<Record<string, string>> =>
  apiKey !== undefined && path.startsWith('/v1/') ? { authorization: `Bearer ${apiKey}` } : {};

/** The one place where requests are made. Throws when there is no whole answer. */
function asker(target: ProbeTarget, { agent }: Way): Ask {
  return async (path, signal, body) => {
    const { statusCode, body: answer } = await request(`${target.url}${path}`, {
      dispatcher: agent,
      signal,
      headers: { ...keyHeader(target, path), ...(body && { 'content-type': 'application/json' }) },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) return err({ path, words: `more than ${MAX_BODY_BYTES} bytes` });
      chunks.push(chunk);
    }
    if (statusCode === 200) return ok(Buffer.concat(chunks).toString('utf8'));
    return err({ path, words: `HTTP ${statusCode}`, statusCode });
  };
}

const inErrorWords = ({ path, words }: Refusal): Result<never, string> => err(`${path} answered ${words}`);

/** What vLLM says where its model has no completions: 404 without the route, 400 in older versions, 501 in newer ones. */
const NO_SUCH_TASK = new Set<number | undefined>([400, 404, 501]);

/** A model that only embeds has no tokens to give; then an embedding is the answer. */
async function askForToken(
  model: string,
  ask: (path: string, body: object) => Promise<Result<string, Refusal>>,
): Promise<Result<void, string>> {
  const token = await ask('/v1/completions', { model, prompt: 'a', max_tokens: 1 });
  if (token.ok) return holds(Completion, token.value, '/v1/completions');
  if (!NO_SUCH_TASK.has(token.error.statusCode)) return inErrorWords(token.error);
  const embedding = await ask('/v1/embeddings', { model, input: 'a' });
  return embedding.ok ? holds(Embeddings, embedding.value, '/v1/embeddings') : inErrorWords(token.error);
}

function holds(answer: z.ZodType, text: string, path: string): Result<void, string> {
  return answer.safeParse(parseJson(text)).success ? ok(undefined) : err(`${path} answered without anything in it`);
}

/** Two looks at the counters, and the engine made steps between them. */
async function isAtWork(ask: Ask, way: Way): Promise<boolean> {
  const before = await countSteps(ask, way);
  if (before === undefined) return false;
  await pause(way, LOOK_AGAIN_MS);
  const now = await countSteps(ask, way);
  return now !== undefined && now > before;
}

const COUNTERS = /^vllm:(?:generation_tokens_total|prompt_tokens_total|iteration_tokens_total_count)(?:{.*})? (\S+)$/gm;

/** @returns tokens and steps of all engines so far; undefined when they are not told */
async function countSteps(ask: Ask, way: Way): Promise<number | undefined> {
  const deadline = withDeadline(way, LOOK_MS);
  try {
    const metrics = await ask('/metrics', deadline.signal);
    if (!metrics.ok) return undefined;
    const counts = [...metrics.value.matchAll(COUNTERS)].map(([, count]) => Number(count));
    return counts.length > 0 ? counts.reduce((sum, count) => sum + count, 0) : undefined;
  } catch {
    return undefined;
  } finally {
    deadline.withdraw();
  }
}

function withDeadline(
  { clock, signal }: Way,
  ms: number,
): { readonly signal: AbortSignal; readonly withdraw: () => void } {
  const deadline = new AbortController();
  const withdraw = clock.after(ms, () => deadline.abort());
  return { signal: AbortSignal.any([signal, deadline.signal]), withdraw };
}

/** Ends early when the probe is given up. */
async function pause({ clock, signal }: Way, ms: number): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const withdraw = clock.after(ms, done);
    function done() {
      withdraw();
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
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
