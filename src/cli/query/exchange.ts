import { type Agent, fetch as fetchOver } from 'undici';
import { z } from 'zod';
import type { Settings } from '../../config.ts';
import { err, ok, type Result } from '../../result.ts';
import { type Cli, EXIT, fail, printable, say } from '../cli.ts';
import { tunnelLines } from './address.ts';
import { parsed } from './answer.ts';
import type { Message } from './messages.ts';

/** Whom to ask, and how to come there again. */
export type Target = {
  readonly url: string;
  /** Undefined: the first it serves. */
  readonly model: string | undefined;
  /** Undefined where none is needed; an error in words where one is and cannot be read. */
  readonly key: Result<string | undefined, string>;
  readonly settings: Settings;
  /** The words of the command that named it. */
  readonly words: string;
  /** Where it is not reached straight from here. */
  readonly agent?: Agent;
};

export type Request = { readonly model: string; readonly messages: readonly Message[]; readonly stream?: true };

/** A model that is asked much thinks long; without any byte for this long it is taken for dead. */
const SILENCE_MS = 120_000;

/** One request and what is made of its answer. Every failure is told. @returns an exit code in its place */
export async function exchange<T>(
  cli: Cli,
  { url, key, settings, words, agent }: Target,
  path: string,
  body: Request | undefined,
  read: (response: Response, alive: () => void) => Promise<T>,
): Promise<T | number> {
  const silence = new AbortController();
  const watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const request = {
      method: body === undefined ? 'GET' : 'POST',
      redirect: 'error' as const,
      headers: {
        'content-type': 'application/json',
        ...(key.ok && key.value !== undefined && { authorization: `Bearer ${key.value}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.any([cli.interrupted, silence.signal]),
    };
    const response: Response = agent
      ? await fetchOver(`${url}${path}`, { ...request, dispatcher: agent })
      : await fetch(`${url}${path}`, request);
    if (response.status === 401) return fail(cli, refusedWords(url, key));
    if (!response.ok) return fail(cli, `${url} answered ${response.status}: ${printable(await errorWords(response))}`);
    return await read(response, () => watchdog.refresh());
  } catch (error) {
    if (cli.interrupted.aborted) return EXIT.interrupted;
    const why = silence.signal.aborted ? `silent for ${SILENCE_MS / 1000} s` : reasonOf(error);
    const failed = fail(cli, `${url} does not answer: ${why}`);
    if (isNotReached(error)) for (const line of tunnelLines(url, settings, words)) say(cli, line);
    return failed;
  } finally {
    clearTimeout(watchdog);
  }
}

function refusedWords(url: string, key: Target['key']): string {
  const why = key.ok
    ? key.value === undefined
      ? 'none was given'
      : 'not the one its job was started with'
    : key.error;
  return `${url} refuses the key (${why}): give it by --api-key-file FILE or in VLLM_API_KEY`;
}

/** Names the endpoint serves. @returns an exit code when it does not say */
export async function servedModels(cli: Cli, target: Target): Promise<Result<readonly string[], number>> {
  const listed = await exchange(cli, target, '/v1/models', undefined, (response) => response.text());
  return typeof listed === 'number' ? err(listed) : ok(modelNames(listed));
}

export function modelNames(body: string): readonly string[] {
  return Models.safeParse(parsed(body)).data?.data.map(({ id }) => id) ?? [];
}

const Models = z.object({ data: z.array(z.object({ id: z.string() })) });
const Failed = z.union([
  z.object({ error: z.object({ message: z.string() }) }).transform(({ error }) => error.message),
  z.object({ message: z.string() }).transform(({ message }) => message),
]);

async function errorWords(response: Response): Promise<string> {
  const body = (await response.text()).slice(0, 2000);
  return Failed.safeParse(parsed(body)).data ?? body;
}

/** fetch hides the cause: "fetch failed" says nothing, its cause says ECONNREFUSED. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** No connection came about: a wrong address, or a network that does not lead there. A deadline says the same. */
function isNotReached(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  return NOT_REACHED.includes(code ?? '');
}
const NOT_REACHED = [
  ...['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT'],
  'UND_ERR_CONNECT_TIMEOUT',
];
