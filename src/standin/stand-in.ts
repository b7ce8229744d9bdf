#!/usr/bin/env node
/**
 * A stand-in for `vllm serve`: vLLM's command line, HTTP interface, log lines and ways to die, and no model at all.
 * For trials and tests without a GPU. It says what it is in every answer and in `/version`.
 *
 * One file that imports nothing but Node's own modules, so that it can be copied to where it shall run.
 * vLLM's flags that mean nothing here are accepted and passed over. Its own faults are the `--stand-in-…` flags below.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createConnection, createServer as createSocketServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const VERSION = '0.0.0+stand-in';
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const DEFAULT_MAX_TOKENS = 128;

/** Faults and manners, each a flag `--stand-in-<name> VALUE`; seconds count from when it begins to answer. */
const FAULTS = {
  'startup-seconds': 'the port stays closed for so long, as it does while vLLM loads',
  'crash-after-seconds': 'the engine dies; the process then ends with crash-exit-code',
  'crash-exit-code': 'default 0, which is what vLLM says when its engine dies',
  'hang-after-seconds': '/health stays 200, completions never answer, counters stand still',
  'wrong-model': 'serves this name and no other',
  log: 'lines printed at the start: with exit-code, any failure there is',
  fail: 'lines printed after startup-seconds; then it ends with exit-code, default 1, and never serves',
  rank: 'the other faults are those of this node alone, counted from 0',
  'join-seconds': 'the ranks wait so long for one another, default 600',
  'exit-code': 'ends with it after startup-seconds and never serves',
  'token-milliseconds': 'time a token takes',
} as const;
type Fault = keyof typeof FAULTS;

type Options = {
  readonly model: string;
  readonly names: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly maxModelLen: number;
  readonly group: Group | undefined;
  readonly headless: boolean;
  /** It embeds and completes nothing: vLLM's `--runner pooling`. */
  readonly pooling: boolean;
  readonly faults: Readonly<Partial<Record<Fault, string>>>;
};

/** Processes, one a node, that are one engine; rank 0 is its head. */
type Group = { readonly size: number; readonly rank: number; readonly host: string; readonly port: number };

type Counters = { running: number; promptTokens: number; generationTokens: number; stop: number; length: number };

type CompletionRequest = {
  readonly model?: unknown;
  readonly prompt?: unknown;
  readonly messages?: unknown;
  readonly stream?: unknown;
  readonly stream_options?: { readonly include_usage?: unknown };
  readonly max_tokens?: unknown;
  readonly max_completion_tokens?: unknown;
};

await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<void> {
  const options = readOptions(argv);
  log('APIServer', `vLLM API server version ${VERSION}: a stand-in, it answers without a model`);
  log('EngineCore', `Starting to load model ${options.model}...`);
  print(options.faults.log);
  process.on('SIGTERM', () => process.exit(0));
  process.on('SIGINT', () => process.exit(0));
  await sleep(1000 * seconds(options.faults['startup-seconds'], 0));
  print(options.faults.fail);
  const exitCode = options.faults['exit-code'] ?? (options.faults.fail === undefined ? undefined : '1');
  if (exitCode !== undefined)
    fail(Number(exitCode), 'RuntimeError: Engine core initialization failed. See root cause above.');
  if (options.headless) return follow(options);
  const ranks = options.group === undefined ? undefined : await gather(options.group, options.faults);
  log('EngineCore', 'Loading weights took 0.00 seconds');
  serve(options, ranks);
}

function readOptions(argv: readonly string[]): Options {
  const values = new Map<string, string[]>();
  const words = argv[0] === 'serve' ? argv.slice(1) : argv;
  let current: string[] = [];
  values.set('', current);
  for (const word of words) {
    const flag = /^--?[A-Za-z]/.test(word);
    if (!flag) current.push(word);
    else {
      const [name = '', ...rest] = word.split('=');
      current = rest.length > 0 ? [rest.join('=')] : [];
      values.set(name.replaceAll('_', '-'), current);
    }
  }
  const first = (name: string) => values.get(name)?.[0];
  const model = first('--model') ?? first('') ?? 'stand-in';
  const faults: Partial<Record<Fault, string>> = {};
  for (const name of values.keys()) {
    if (!name.startsWith('--stand-in-')) continue;
    const fault = name.slice('--stand-in-'.length);
    if (!(fault in FAULTS)) fail(2, `vllm: error: unrecognized arguments: ${name}`);
    faults[fault as Fault] = (values.get(name) ?? []).join('\n');
  }
  const group = readGroup((name, otherwise) => first(name) ?? otherwise);
  const faulty = faults.rank === undefined || Number(faults.rank) === (group?.rank ?? 0);
  const served = values.get('--served-model-name') ?? [];
  const wrong = faults['wrong-model'];
  return {
    model,
    names: wrong !== undefined ? [wrong] : served.length > 0 ? served : [model],
    host: first('--host') ?? '0.0.0.0',
    port: Number(first('--port') ?? 8000),
    maxModelLen: Number(first('--max-model-len') ?? 32_768),
    group,
    headless: values.has('--headless'),
    pooling: first('--runner') === 'pooling',
    faults: faulty ? faults : {},
  };
}

/** By `--nnodes`, or by data parallelism with an address: both name a rank and where its head is to be met. */
function readGroup(flag: (name: string, otherwise: string) => string): Group | undefined {
  const nodes = Number(flag('--nnodes', '1'));
  if (nodes > 1)
    return {
      size: nodes,
      rank: Number(flag('--node-rank', '0')),
      host: flag('--master-addr', '127.0.0.1'),
      port: Number(flag('--master-port', '29501')),
    };
  const host = flag('--data-parallel-address', '');
  const local = Number(flag('--data-parallel-size-local', '1'));
  const size = Number(flag('--data-parallel-size', '1')) / local;
  if (host === '' || size <= 1) return undefined;
  const rank = Number(flag('--data-parallel-start-rank', '0')) / local;
  return { size, rank, host, port: Number(flag('--data-parallel-rpc-port', '29550')) };
}

type Ranks = {
  /** One step of the whole engine. Waits for ever for a rank that is silent; rejects when one has gone. */
  step(): Promise<void>;
};

/** The head waits for all others before it goes on; that one of them has gone it notices when it needs it. */
async function gather(group: Group, faults: Options['faults']): Promise<Ranks> {
  const peers = new Map<string, Socket>();
  const server = createSocketServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (name) => peers.set(String(name), socket));
  });
  server.on('error', ({ message }) => fail(1, `DistNetworkError: The server socket has failed to listen: ${message}`));
  server.listen({ host: group.host, port: group.port });
  const limit = seconds(faults['join-seconds'], 600);
  const deadline = Date.now() + 1000 * limit;
  while (peers.size < group.size - 1) {
    if (Date.now() >= deadline)
      fail(
        1,
        `DistStoreError: Timed out after ${limit + 1} seconds waiting for clients. ${peers.size + 1}/${group.size} clients joined.`,
      );
    await sleep(50);
  }
  log('EngineCore', `DP group leader: node_rank=0, master_addr=${group.host}, world_size=${group.size}`);
  let last: Promise<unknown> = Promise.resolve();
  return {
    step() {
      const next = last.then(() => Promise.all([...peers.values()].map(exchange)));
      last = next;
      return next.then(() => undefined);
    },
  };
}

function exchange(peer: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error('Connection closed by peer'));
    if (peer.destroyed) return gone();
    peer.once('close', gone);
    peer.once('data', () => {
      peer.off('close', gone);
      resolve();
    });
    peer.write('step');
  });
}

/** Another node's part: joins its head, answers its steps, and stays when the head has gone, as vLLM's does. */
async function follow({ group, faults }: Options): Promise<void> {
  if (group === undefined) return fail(1, 'ValueError: --headless needs --nnodes or --data-parallel-address');
  const { host, port, rank } = group;
  log('Worker', `Launching vLLM headless multiproc executor, with head node address ${host}:${port}`);
  const limit = seconds(faults['join-seconds'], 600);
  const deadline = Date.now() + 1000 * limit;
  while (!(await join(group))) {
    if (Date.now() >= deadline)
      fail(
        1,
        `DistNetworkError: The client socket has timed out after ${limit}000ms while trying to connect to (${host}, ${port}).`,
      );
    await sleep(200);
  }
  log('Worker', `rank ${rank} joined`);
  const crashAfter = faults['crash-after-seconds'];
  if (crashAfter !== undefined)
    setTimeout(() => crash(seconds(faults['crash-exit-code'], 0)), 1000 * Number(crashAfter));
  setInterval(() => undefined, 1 << 30);
}

function join({ host, port, rank }: Group): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    socket.on('error', () => resolve(false));
    socket.on('data', () => socket.write('done'));
    socket.on('connect', () => {
      socket.write(`rank ${rank}`);
      resolve(true);
    });
  });
}

function serve(options: Options, ranks: Ranks | undefined): void {
  const { faults } = options;
  const counters: Counters = { running: 0, promptTokens: 0, generationTokens: 0, stop: 0, length: 0 };
  const since = Date.now();
  const hangAfterMs = 1000 * seconds(faults['hang-after-seconds'], Number.POSITIVE_INFINITY);
  const isHung = () => Date.now() - since >= hangAfterMs;
  const server = createServer((request, response) => {
    answer(request, response, { options, ranks, counters, isHung, created: Math.floor(since / 1000) }).catch(
      (error: Error) => {
        if (!response.headersSent) sendError(response, 400, 'BadRequestError', error.message);
        else response.destroy();
      },
    );
  });
  server.on('error', (error: NodeJS.ErrnoException) => {
    const taken = error.code === 'EADDRINUSE';
    fail(1, taken ? 'OSError: [Errno 98] Address already in use' : `OSError: ${error.message}`);
  });
  server.listen({ host: options.host, port: options.port }, () => {
    log('APIServer', `Starting vLLM server on http://${options.host}:${options.port}`);
    log('APIServer', 'Application startup complete.');
    const crashAfter = faults['crash-after-seconds'];
    if (crashAfter !== undefined)
      setTimeout(() => crash(seconds(faults['crash-exit-code'], 0)), 1000 * Number(crashAfter));
  });
}

type Service = {
  readonly options: Options;
  readonly ranks: Ranks | undefined;
  readonly counters: Counters;
  readonly isHung: () => boolean;
  /** Epoch, s. */
  readonly created: number;
};

async function answer(request: IncomingMessage, response: ServerResponse, service: Service): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://stand-in').pathname;
  const key = process.env.VLLM_API_KEY;
  if (key && path.startsWith('/v1') && request.headers.authorization !== `Bearer ${key}`)
    return send(response, 401, { error: 'Unauthorized' });
  // vLLM has only the routes of what its model can do.
  if (path.endsWith(service.options.pooling ? '/completions' : '/embeddings'))
    return send(response, 404, { detail: 'Not Found' });
  switch (`${request.method} ${path}`) {
    case 'GET /health':
    case 'GET /ping':
      response.end();
      return;
    case 'GET /version':
      return send(response, 200, { version: VERSION, stand_in: true });
    case 'GET /metrics':
      response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8').end(metrics(service));
      return;
    case 'GET /v1/models':
      return send(response, 200, {
        object: 'list',
        data: service.options.names.map((name) => modelCard(name, service)),
      });
    case 'POST /v1/chat/completions':
      return complete(request, response, service, CHAT);
    case 'POST /v1/completions':
      return complete(request, response, service, TEXT);
    case 'POST /v1/embeddings':
      return embed(request, response, service);
    default:
      return send(response, 404, { detail: 'Not Found' });
  }
}

function sendNoSuchModel(response: ServerResponse, model: unknown, { names }: Options): void {
  sendError(
    response,
    404,
    'NotFoundError',
    `The model \`${String(model)}\` does not exist. Valid aliases: ${names.join(', ')}.`,
  );
}

async function embed(request: IncomingMessage, response: ServerResponse, service: Service): Promise<void> {
  const { options, counters } = service;
  const body: { readonly model?: unknown; readonly input?: unknown } = Object(JSON.parse(await readBody(request)));
  const model = body.model ?? options.names[0];
  if (typeof model !== 'string' || !options.names.includes(model)) return sendNoSuchModel(response, model, options);
  const texts = [body.input ?? ''].flat().map(String);
  counters.running += 1;
  try {
    if (!(await nextStep(response, service))) return;
  } finally {
    counters.running -= 1;
  }
  const tokens = texts.reduce((sum, text) => sum + Math.max(1, text.split(/\s+/).length), 0);
  counters.promptTokens += tokens;
  counters.stop += 1;
  send(response, 200, {
    id: `embd-${counters.stop}-${process.pid}`,
    object: 'list',
    created: service.created,
    model: options.names[0],
    data: texts.map((text, index) => ({ object: 'embedding', index, embedding: [text.length, 1] })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
}

async function complete(
  request: IncomingMessage,
  response: ServerResponse,
  service: Service,
  form: Form,
): Promise<void> {
  const { options, counters } = service;
  const body: CompletionRequest = Object(JSON.parse(await readBody(request)));
  const model = body.model ?? options.names[0];
  if (typeof model !== 'string' || !options.names.includes(model)) return sendNoSuchModel(response, model, options);
  const asked = form.asked(body);
  if (asked === undefined) return sendError(response, 400, 'BadRequestError', form.missing);

  const all = tokensOf(asked);
  const limit = Number(body.max_completion_tokens ?? body.max_tokens ?? DEFAULT_MAX_TOKENS);
  const tokens = all.slice(0, limit);
  const finish = tokens.length < all.length ? 'length' : 'stop';
  const promptTokens = Math.max(1, asked.split(/\s+/).length);
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: tokens.length,
    total_tokens: promptTokens + tokens.length,
  };
  const head = {
    id: `${form.id}-${counters.stop + counters.length}-${process.pid}`,
    created: service.created,
    model: options.names[0],
  };

  counters.running += 1;
  counters.promptTokens += promptTokens;
  try {
    if (body.stream === true) {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
      for (const [index, token] of tokens.entries()) {
        if (!(await nextToken(response, service))) return;
        event(response, {
          ...head,
          object: form.chunk,
          choices: [form.delta(token, index, index === tokens.length - 1 ? finish : null)],
        });
      }
      if (body.stream_options?.include_usage === true)
        event(response, { ...head, object: form.chunk, choices: [], usage });
      response.end('data: [DONE]\n\n');
    } else {
      for (const _ of tokens) if (!(await nextToken(response, service))) return;
      send(response, 200, { ...head, object: form.object, choices: [form.whole(tokens.join(''), finish)], usage });
    }
    counters[finish] += 1;
  } finally {
    counters.running -= 1;
  }
}

/** @returns false when the client has gone, or the engine */
async function nextToken(response: ServerResponse, service: Service): Promise<boolean> {
  if (!(await nextStep(response, service))) return false;
  service.counters.generationTokens += 1;
  return true;
}

/** @returns false when the client has gone, or the engine */
async function nextStep(response: ServerResponse, { options, ranks, isHung }: Service): Promise<boolean> {
  const ms = seconds(options.faults['token-milliseconds'], 0);
  if (ms > 0) await sleep(ms);
  while (isHung() && !response.destroyed) await sleep(100);
  if (response.destroyed) return false;
  try {
    await ranks?.step();
  } catch {
    if (!response.headersSent) sendError(response, 500, 'InternalServerError', 'EngineCore encountered an issue.');
    else response.destroy();
    setTimeout(() => crash(0), 200);
    return false;
  }
  return true;
}

type Finish = 'stop' | 'length';
type Form = {
  readonly id: string;
  readonly object: string;
  readonly chunk: string;
  readonly missing: string;
  /** The text to answer; undefined when the request holds none. */
  readonly asked: (body: CompletionRequest) => string | undefined;
  readonly whole: (text: string, finish: Finish) => unknown;
  readonly delta: (token: string, index: number, finish: Finish | null) => unknown;
};

const CHAT: Form = {
  id: 'chatcmpl',
  object: 'chat.completion',
  chunk: 'chat.completion.chunk',
  missing: "1 validation error: {'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required'}",
  asked: ({ messages }) => (Array.isArray(messages) && messages.length > 0 ? contentText(messages.at(-1)) : undefined),
  whole: (content, finish_reason) => ({
    index: 0,
    message: { role: 'assistant', content },
    logprobs: null,
    finish_reason,
  }),
  delta: (content, index, finish_reason) => ({
    index: 0,
    delta: index === 0 ? { role: 'assistant', content } : { content },
    logprobs: null,
    finish_reason,
  }),
};

const TEXT: Form = {
  id: 'cmpl',
  object: 'text_completion',
  chunk: 'text_completion',
  missing: "1 validation error: {'type': 'missing', 'loc': ('body', 'prompt'), 'msg': 'Field required'}",
  asked: ({ prompt }) => (prompt === undefined ? undefined : Array.isArray(prompt) ? prompt.join(' ') : String(prompt)),
  whole: (text, finish_reason) => ({ index: 0, text, logprobs: null, finish_reason }),
  delta: (text, _index, finish_reason) => ({ index: 0, text, logprobs: null, finish_reason }),
};

/** A message's text; of its parts the texts, and what can be told of each picture. */
function contentText(message: unknown): string {
  const content = (message as { content?: unknown } | null)?.content;
  if (!Array.isArray(content)) return String(content ?? '');
  return content
    .map((part: { type?: unknown; text?: unknown; image_url?: { url?: unknown } }) => {
      if (part.type === 'text') return String(part.text);
      return part.type === 'image_url' ? pictureText(String(part.image_url?.url)) : `[${String(part.type)}]`;
    })
    .join(' ');
}

/** `[image/png of 68 bytes]`. What vLLM could not decode is refused here too, as far as its first bytes tell. */
function pictureText(url: string): string {
  const [whole, type = '', base64 = ''] = /^data:(image\/[a-z+.-]+);base64,([A-Za-z0-9+/]*={0,2})$/.exec(url) ?? [];
  if (whole !== undefined && base64 !== '') return `[${type} of ${Buffer.from(base64, 'base64').length} bytes]`;
  if (/^https?:\/\//.test(url)) return `[image at ${url.slice(0, 200)}]`;
  throw new Error('Failed to load image: the URL must be http(s) or data:image/…;base64');
}

/** The same question has the same answer; a token is a word with the blank before it. */
function tokensOf(asked: string): readonly string[] {
  const text = `This is a stand-in, not a language model. It was asked: "${asked.trim().slice(0, 2000)}"`;
  return text.match(/\s*\S+/g) ?? [];
}

function modelCard(id: string, { options, created }: Service): unknown {
  return {
    id,
    object: 'model',
    created,
    owned_by: 'stand-in',
    root: options.model,
    parent: null,
    max_model_len: options.maxModelLen,
  };
}

function metrics({ options, counters }: Service): string {
  const labels = `engine="0",model_name="${options.names[0]}"`;
  return [
    ['gauge', 'vllm:num_requests_running', '', counters.running],
    ['gauge', 'vllm:num_requests_waiting', '', 0],
    ['gauge', 'vllm:kv_cache_usage_perc', '', 0],
    ['counter', 'vllm:prompt_tokens_total', '', counters.promptTokens],
    ['counter', 'vllm:generation_tokens_total', '', counters.generationTokens],
    ['counter', 'vllm:request_success_total', ',finished_reason="stop"', counters.stop],
    ['counter', 'vllm:request_success_total', ',finished_reason="length"', counters.length],
  ]
    .map(
      ([type, name, more, value]) => `# TYPE ${name} ${type}\n${name}{${labels}${more}} ${Number(value).toFixed(1)}\n`,
    )
    .join('');
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error(`the request is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function sendError(response: ServerResponse, code: number, type: string, message: string): void {
  send(response, code, { error: { message, type, param: null, code } });
}

function event(response: ServerResponse, body: unknown): void {
  response.write(`data: ${JSON.stringify(body)}\n\n`);
}

function crash(code: number): never {
  log('EngineCore', 'Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down executor.');
  log('APIServer', 'EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.');
  process.exit(code);
}

function print(lines: string | undefined): void {
  if (lines !== undefined) process.stderr.write(`${lines}\n`);
}

function fail(code: number, line: string): never {
  process.stderr.write(`${line}\n`);
  process.exit(code);
}

function log(part: string, text: string): void {
  const [date = '', time = ''] = new Date().toISOString().split('T');
  process.stdout.write(`(${part} pid=${process.pid}) INFO ${date.slice(5)} ${time.slice(0, 8)} [stand-in] ${text}\n`);
}

function seconds(text: string | undefined, otherwise: number): number {
  return text === undefined ? otherwise : Number(text);
}
