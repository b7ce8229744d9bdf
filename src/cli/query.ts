import { Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import type { Resource } from '../api/resource.ts';
import { servedName } from '../launch/served.ts';
import type { Result } from '../result.ts';
import { readApiKey } from './api-key.ts';
import { type Cli, EXIT, examples, fail, print, printable, wholeNumber } from './cli.ts';
import { namespaceOption, withDeployment } from './deployments.ts';
import { serverSentEvents } from './server-sent-events.ts';

type QueryOptions = {
  readonly namespace: string;
  readonly replica?: number;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly system?: string;
  readonly apiKeyFile?: string;
  readonly stream: boolean;
  readonly json?: true;
};

/** A model that is asked much thinks long; without any byte for this long it is taken for dead. */
const SILENCE_MS = 120_000;

export function queryCommand(cli: Cli): Command {
  const command = new Command('query')
    .description('ask a deployment, through its own endpoint (/v1/chat/completions)')
    .argument('<name>')
    .argument('<prompt>')
    .option('--replica <n>', 'ask this replica', wholeNumber(0))
    .option('--max-tokens <n>', 'at most this many', wholeNumber(1))
    .option('--temperature <t>', '0 to 2', temperature)
    .option('--system <text>', 'system message')
    .option(
      '--api-key-file <file>',
      'its first line is the key of the endpoint (default: VLLM_API_KEY, else what spec.endpoint.apiKeyFrom names)',
    )
    .option('--no-stream', 'print the answer when it is complete')
    .option('--json', 'print the whole response as JSON')
    .addOption(namespaceOption())
    .action(async (name: string, prompt: string, options: QueryOptions, self: Command) =>
      cli.exit(
        await withDeployment(cli, self, { namespace: options.namespace, name }, (resource) =>
          query(cli, resource, prompt, options),
        ),
      ),
    );
  return examples(command, [
    ['vllm-slurm query qwen "Why is the sky blue?"', 'tokens as they come'],
    ['vllm-slurm query qwen "Hello" --json | jq .usage', 'the response of the API'],
  ]);
}

async function query(cli: Cli, resource: Resource, prompt: string, options: QueryOptions): Promise<number> {
  const ready = resource.status.endpoints?.filter((endpoint) => endpoint.ready) ?? [];
  const endpoint = options.replica === undefined ? ready[0] : ready.find(({ replica }) => replica === options.replica);
  if (!endpoint || !resource.spec) return fail(cli, notReadyWords(resource, options.replica));
  const key = await readApiKey(cli, resource.key.namespace, resource.spec, options.apiKeyFile);
  if (!key.ok && options.apiKeyFile !== undefined) return fail(cli, key.error);
  const stream = options.stream && !options.json;
  const silence = new AbortController();
  const watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const response = await fetch(`${endpoint.url}/v1/chat/completions`, {
      method: 'POST',
      redirect: 'error',
      headers: {
        'content-type': 'application/json',
        ...(key.ok && key.value !== undefined && { authorization: `Bearer ${key.value}` }),
      },
      body: JSON.stringify(requestOf(servedName(resource.spec), prompt, options, stream)),
      signal: AbortSignal.any([cli.interrupted, silence.signal]),
    });
    if (response.status === 401) return fail(cli, refusedWords(endpoint.url, key));
    if (!response.ok)
      return fail(cli, `${endpoint.url} answered ${response.status}: ${printable(await errorWords(response))}`);
    if (stream && response.body) return await printTokens(cli, response.body, () => watchdog.refresh());
    const text = await response.text();
    if (options.json) print(cli, text);
    else print(cli, printable(answerOf(text)));
    return EXIT.ok;
  } catch (error) {
    if (cli.interrupted.aborted) return EXIT.interrupted;
    return fail(
      cli,
      `${endpoint.url} does not answer: ${silence.signal.aborted ? `silent for ${SILENCE_MS / 1000} s` : reasonOf(error)}`,
    );
  } finally {
    clearTimeout(watchdog);
  }
}

function refusedWords(url: string, key: Result<string | undefined, string>): string {
  const why = key.ok
    ? key.value === undefined
      ? 'none was given'
      : 'not the one its job was started with'
    : key.error;
  return `${url} refuses the key (${why}): give it by --api-key-file FILE or in VLLM_API_KEY`;
}

function requestOf(model: string, prompt: string, options: QueryOptions, stream: boolean): object {
  return {
    model,
    messages: [
      ...(options.system === undefined ? [] : [{ role: 'system', content: options.system }]),
      { role: 'user', content: prompt },
    ],
    ...(options.maxTokens !== undefined && { max_tokens: options.maxTokens }),
    ...(options.temperature !== undefined && { temperature: options.temperature }),
    ...(stream && { stream }),
  };
}

const text = z.string().nullish();
const Chunk = z.object({
  choices: z.array(z.object({ delta: z.object({ content: text, reasoning_content: text }).optional() })).optional(),
  error: z.object({ message: z.string() }).optional(),
});
const Answer = z.object({ choices: z.array(z.object({ message: z.object({ content: text }) })).min(1) });
const Failed = z.union([
  z.object({ error: z.object({ message: z.string() }) }).transform(({ error }) => error.message),
  z.object({ message: z.string() }).transform(({ message }) => message),
]);

/** An error within the stream and a stream that breaks off are failures, though the status said 200. */
async function printTokens(cli: Cli, body: ReadableStream<Uint8Array>, alive: () => void): Promise<number> {
  for await (const data of serverSentEvents(body)) {
    alive();
    if (data === '[DONE]') {
      print(cli, '\n');
      return EXIT.ok;
    }
    const chunk = Chunk.safeParse(parsed(data));
    if (!chunk.success) continue;
    if (chunk.data.error) return fail(cli, printable(chunk.data.error.message));
    cli.stdout.write(printable(chunk.data.choices?.[0]?.delta?.content ?? ''));
  }
  return fail(cli, 'the answer broke off');
}

function answerOf(body: string): string {
  return Answer.safeParse(parsed(body)).data?.choices[0]?.message.content ?? body;
}

async function errorWords(response: Response): Promise<string> {
  const body = (await response.text()).slice(0, 2000);
  return Failed.safeParse(parsed(body)).data ?? body;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function notReadyWords({ key, status, spec }: Resource, replica: number | undefined): string {
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  const why = ready && ready.status !== 'True' ? `: ${ready.reason}: ${ready.message}` : '';
  const next = `\n  vllm-slurm describe ${key.name}`;
  if (replica !== undefined)
    return `replica ${replica} of ${key.name} (${spec?.replicas ?? 0} desired) is not ready${why}${next}`;
  return `${key.name} is not ready${why}${next}`;
}

/** fetch hides the cause: "fetch failed" says nothing, its cause says ECONNREFUSED. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function temperature(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 2))
    throw new InvalidArgumentError('Must be a number from 0 to 2.');
  return value;
}
