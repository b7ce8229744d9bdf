import { text as readAll } from 'node:stream/consumers';
import { Command, InvalidArgumentError } from 'commander';
import type { Resource } from '../api/resource.ts';
import type { Spec } from '../api/spec.ts';
import type { Settings } from '../config.ts';
import { servedName } from '../launch/served.ts';
import { agentOver } from '../probe/way.ts';
import { err, ok, type Result } from '../result.ts';
import { readApiKey } from './api-key.ts';
import { type Cli, EXIT, examples, fail, print, printable, wholeNumber } from './cli.ts';
import { namespaceOption, withDeployment } from './deployments.ts';
import { openFar } from './far.ts';
import { withSettings } from './global-options.ts';
import { settingsOf } from './open-clusters.ts';
import { addressByHand, exportLines } from './query/address.ts';
import { answerOf, printTokens } from './query/answer.ts';
import { chat } from './query/chat.ts';
import { exchange, modelNames, type Request, servedModels, type Target } from './query/exchange.ts';
import { imageUrl, type Message, userMessage } from './query/messages.ts';

type QueryOptions = {
  readonly namespace: string;
  readonly replica?: number;
  readonly host?: string;
  readonly port?: number;
  readonly model?: string;
  readonly prompt?: string;
  readonly image: readonly string[];
  readonly imageUrl: readonly string[];
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly system?: string;
  readonly listModels?: true;
  readonly export?: true;
  readonly apiKeyFile?: string;
  readonly stream: boolean;
  readonly json?: true;
};

export function queryCommand(cli: Cli): Command {
  const command = new Command('query')
    .description('ask a deployment, or any endpoint by its address (/v1/chat/completions); without a prompt, chat')
    .argument('[name]', 'deployment; left out where --host or VLLM_HOST says whom to ask')
    .argument('[prompt]', '- is stdin, which is also read when it is no terminal and no prompt is given')
    .option('--prompt <text>', 'the same as the argument')
    .option('--model <name>', "ask for this name (default: the deployment's, else the first that is served)")
    .option('--image <file>', 'show this picture; repeatable', collect, [])
    .option('--image-url <url>', 'let the engine fetch this picture; repeatable', collect, [])
    .option('--host <host>', 'ask this host instead (default: VLLM_HOST, where no deployment is named)')
    .option('--port <n>', 'and this port (default: VLLM_PORT, else 8000)', portNumber)
    .option('--replica <n>', 'ask this replica', wholeNumber(0))
    .option('--max-tokens <n>', 'at most this many', wholeNumber(1))
    .option('--temperature <t>', '0 to 2', temperature)
    .option('--system <text>', 'system message')
    .option('--list-models', 'print the names the endpoint serves, and ask nothing')
    .option('--export', 'print what to put into a shell for OpenAI clients, and ask nothing')
    .option(
      '--api-key-file <file>',
      'its first line is the key of the endpoint (default: VLLM_API_KEY, else what spec.endpoint.apiKeyFrom names)',
    )
    .option('--no-stream', 'print the answer when it is complete')
    .option('--json', 'print the whole response as JSON')
    .addOption(namespaceOption())
    .action(async (...given: readonly [string | undefined, string | undefined, QueryOptions, Command]) => {
      const [first, second, options, self] = given;
      // With an address given, one word is the question.
      const named = options.host !== undefined && second === undefined ? undefined : first;
      const prompt = options.prompt ?? (named === undefined ? first : second);
      cli.exit(await withTarget(cli, self, named, options, (target) => query(cli, target, prompt, options)));
    });
  return examples(command, [
    ['vllm-slurm query qwen "Why is the sky blue?"', 'tokens as they come'],
    ['vllm-slurm query qwen', 'a conversation'],
    ['vllm-slurm query qwen "Hello" --json | jq .usage', 'the response of the API'],
    ['vllm-slurm query glm "What is this?" --image cat.png', 'a picture'],
    ['vllm-slurm query --host node001 --port 20000 "Hello"', 'any endpoint'],
    ['eval "$(vllm-slurm query qwen --export)"', 'for clients of OpenAI'],
  ]);
}

async function withTarget(
  cli: Cli,
  command: Command,
  name: string | undefined,
  options: QueryOptions,
  use: (target: Target) => Promise<number>,
): Promise<number> {
  // A deployment is where its status says, whatever the environment says of another.
  const byHand = addressByHand(options, name === undefined ? cli.environment : {});
  if (!byHand.ok) return fail(cli, byHand.error, EXIT.usage);
  const url = byHand.value;
  if (name !== undefined)
    return withDeployment(cli, command, { namespace: options.namespace, name }, async (resource, { settings }) => {
      const target = await targetOf(cli, resource, settingsOf(settings, resource), options, url);
      if (!target.ok) return fail(cli, target.error);
      // Where somebody says himself is reached as he says.
      return url === undefined ? throughCluster(cli, target.value, use) : use(target.value);
    });
  if (url === undefined)
    return fail(cli, 'whom to ask? Name a deployment, or give --host, or set VLLM_HOST', EXIT.usage);
  return withSettings(cli, command, async ({ settings }) => {
    const key = await readApiKey(cli, options.namespace, keyOfEnvironment(cli), options.apiKeyFile);
    if (!key.ok) return fail(cli, key.error);
    return use({ url, model: options.model, key, settings, words: 'vllm-slurm query' });
  });
}

/** Behind ssh an endpoint is asked as the operator asks it. */
async function throughCluster(cli: Cli, target: Target, use: (target: Target) => Promise<number>): Promise<number> {
  const far = openFar(cli, target.settings);
  if (!far?.way) return use(target);
  const agent = agentOver(far.way);
  try {
    return await use({ ...target, agent });
  } finally {
    await agent.destroy();
    await far.close();
  }
}

/** An endpoint somebody names by its address is shown the key that he has set. */
const keyOfEnvironment = ({ environment }: Cli): Pick<Spec, 'endpoint'> => ({
  endpoint: environment.VLLM_API_KEY ? { apiKeyFrom: { env: 'VLLM_API_KEY' } } : {},
});

async function targetOf(
  cli: Cli,
  resource: Resource,
  settings: Settings,
  { replica, model, apiKeyFile }: QueryOptions,
  byHand: string | undefined,
): Promise<Result<Target, string>> {
  const ready = resource.status.endpoints?.filter((endpoint) => endpoint.ready) ?? [];
  const endpoint = replica === undefined ? ready[0] : ready.find((one) => one.replica === replica);
  const url = byHand ?? endpoint?.url;
  if (url === undefined || !resource.spec) return err(notReadyWords(resource, replica));
  const key = await readApiKey(cli, resource.key.namespace, resource.spec, apiKeyFile);
  if (!key.ok && apiKeyFile !== undefined) return key;
  return ok({
    url,
    model: model ?? servedName(resource.spec),
    key,
    settings,
    words: `vllm-slurm query ${resource.key.name}`,
  });
}

async function query(cli: Cli, target: Target, prompt: string | undefined, options: QueryOptions): Promise<number> {
  if (options.listModels) return listModels(cli, target, options.json === true);
  const named = target.model === undefined ? await servedModels(cli, target) : ok([target.model]);
  if (!named.ok) return named.error;
  const [model] = named.value;
  if (model === undefined) return fail(cli, `${target.url} serves no model`);
  if (options.export) {
    print(cli, exportLines(target.url, model, target.key.ok && target.key.value !== undefined).join('\n'));
    return EXIT.ok;
  }
  const images = await imagesOf(cli, options);
  if (!images.ok) return fail(cli, images.error);
  const before: readonly Message[] = options.system === undefined ? [] : [{ role: 'system', content: options.system }];
  const asking = (messages: readonly Message[]) => ask(cli, target, requestOf(model, messages, options), options);
  if (prompt === undefined && process.stdin.isTTY) return chat(cli, process.stdin, before, images.value, asking);
  const question = prompt === undefined || prompt === '-' ? (await readAll(process.stdin)).trimEnd() : prompt;
  if (question === '') return fail(cli, 'nothing to ask: give a prompt, or text on stdin', EXIT.usage);
  const answer = await asking([...before, userMessage(question, images.value)]);
  return typeof answer === 'number' ? answer : EXIT.ok;
}

async function imagesOf(cli: Cli, options: QueryOptions): Promise<Result<readonly string[], string>> {
  const read = await Promise.all(options.image.map((file) => imageUrl(file, cli.workingDirectory)));
  const broken = read.find((one) => !one.ok);
  if (broken && !broken.ok) return broken;
  return ok([...read.flatMap((one) => (one.ok ? [one.value] : [])), ...options.imageUrl]);
}

/** Asks, and prints the answer. @returns the answer too; the exit code when there is none */
async function ask(cli: Cli, target: Target, request: Request, options: QueryOptions): Promise<string | number> {
  return exchange(cli, target, '/v1/chat/completions', request, async (response, alive) => {
    if (request.stream && response.body) return printTokens(cli, response.body, alive);
    const body = await response.text();
    const answer = answerOf(body);
    print(cli, options.json ? body : printable(answer));
    return answer;
  });
}

async function listModels(cli: Cli, target: Target, asJson: boolean): Promise<number> {
  const listed = await exchange(cli, target, '/v1/models', undefined, (response) => response.text());
  if (typeof listed === 'number') return listed;
  print(cli, asJson ? listed : modelNames(listed).map(printable).join('\n'));
  return EXIT.ok;
}

function requestOf(model: string, messages: readonly Message[], options: QueryOptions): Request {
  return {
    model,
    messages,
    ...(options.maxTokens !== undefined && { max_tokens: options.maxTokens }),
    ...(options.temperature !== undefined && { temperature: options.temperature }),
    ...(options.stream && !options.json && { stream: true as const }),
  };
}

function notReadyWords({ key, status, spec }: Resource, replica: number | undefined): string {
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  const why = ready && ready.status !== 'True' ? `: ${ready.reason}: ${ready.message}` : '';
  const next = `\n  vllm-slurm describe ${key.name}`;
  if (replica !== undefined)
    return `replica ${replica} of ${key.name} (${spec?.replicas ?? 0} desired) is not ready${why}${next}`;
  return `${key.name} is not ready${why}${next}`;
}

const collect = (word: string, before: readonly string[]): readonly string[] => [...before, word];

function portNumber(text: string): number {
  const port = wholeNumber(1)(text);
  if (port > 65_535) throw new InvalidArgumentError('Must be a port, 1 to 65535.');
  return port;
}

function temperature(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 2))
    throw new InvalidArgumentError('Must be a number from 0 to 2.');
  return value;
}
