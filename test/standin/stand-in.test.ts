import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import { eventually, quietPorts } from '../launch/compute-node.ts';

const PROGRAM = fileURLToPath(new URL('../../src/standin/stand-in.ts', import.meta.url));

type Engine = {
  readonly url: string;
  readonly port: number;
  readonly exited: Promise<number | null>;
  output(): string;
  stop(signal?: NodeJS.Signals): void;
};

async function start(test: TestContext, ...args: readonly string[]): Promise<Engine> {
  return startAt(test, await quietPorts(1), args);
}

async function startIn(test: TestContext, environment: Readonly<Record<string, string>>): Promise<Engine> {
  return startAt(test, await quietPorts(1), [], environment);
}

function startAt(
  test: TestContext,
  port: number,
  args: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Engine {
  const own = [
    'serve',
    'org/model',
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--served-model-name',
    'echo',
    'own',
  ];
  const child = spawn(process.execPath, [PROGRAM, ...own, ...args], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += piece));
  test.after(() => child.kill('SIGKILL'));
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    exited: once(child, 'close').then(([code]) => code as number | null),
    output: () => output,
    stop: (signal = 'SIGTERM') => void child.kill(signal),
  };
}

/** HTTP status; undefined while nobody listens. */
async function statusOf(url: string): Promise<number | undefined> {
  return fetch(url).then(
    (response) => response.body?.cancel().then(() => response.status) ?? response.status,
    () => undefined,
  );
}

const isUp = (engine: Engine) => eventually(() => statusOf(`${engine.url}/health`));

const clientOf = (engine: Engine) => new OpenAI({ baseURL: `${engine.url}/v1`, apiKey: 'none', maxRetries: 0 });

const ask = (engine: Engine, body: unknown, path = '/v1/completions', signal?: AbortSignal) =>
  fetch(engine.url + path, { method: 'POST', body: JSON.stringify(body), ...(signal && { signal }) });

const TEXT = 'This is a stand-in, not a language model. It was asked: "hello there"';

describe('the stand-in engine', { concurrency: 4 }, () => {
  it('answers the OpenAI client, whole and streamed, with the same text, and says what it is', async (test) => {
    const engine = await start(test);
    await isUp(engine);
    const client = clientOf(engine);
    const messages = [{ role: 'user' as const, content: 'hello there' }];
    const whole = await client.chat.completions.create({ model: 'own', messages });
    const stream = await client.chat.completions.create({
      model: 'echo',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let streamed = '';
    let usage: unknown;
    for await (const chunk of stream) {
      streamed += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.deepEqual(
      { whole: whole.choices[0]?.message.content, streamed, finish: whole.choices[0]?.finish_reason, usage },
      { whole: TEXT, streamed: TEXT, finish: 'stop', usage: whole.usage },
    );
    assert.deepEqual(await (await fetch(`${engine.url}/version`)).json(), {
      version: '0.0.0+stand-in',
      stand_in: true,
    });
    assert.deepEqual(
      (await client.models.list()).data.map(({ id }) => id),
      ['echo', 'own'],
    );
  });

  it('takes pictures, tells of them, and stops at max_tokens', async (test) => {
    const engine = await start(test);
    await isUp(engine);
    const answer = await clientOf(engine).chat.completions.create({
      model: 'echo',
      max_tokens: 20,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'what is this' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
            { type: 'image_url', image_url: { url: 'https://example.org/cat.png' } },
          ],
        },
      ],
    });
    assert.equal(
      answer.choices[0]?.message.content,
      'This is a stand-in, not a language model. It was asked: "what is this [image/png of 3 bytes] [image at',
    );
    assert.equal(answer.choices[0]?.finish_reason, 'length');
  });

  it('refuses as vLLM does', async (test) => {
    const engine = await start(test);
    await isUp(engine);
    const answers = await Promise.all([
      ask(engine, { model: 'nope', prompt: 'a' }),
      ask(engine, { model: 'echo' }),
      ask(engine, null, '/v1/chat/completions'),
      fetch(`${engine.url}/v1/completions`, { method: 'POST', body: '{' }),
      fetch(`${engine.url}/nowhere`),
    ]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [404, 400, 400, 400, 404],
    );
    assert.deepEqual(await answers[0]?.json(), {
      error: {
        message: 'The model `nope` does not exist. Valid aliases: echo, own.',
        type: 'NotFoundError',
        param: null,
        code: 404,
      },
    });
  });

  it('counts tokens and requests under vLLM’s names', async (test) => {
    const engine = await start(test);
    await isUp(engine);
    await ask(engine, { model: 'echo', prompt: 'one two', max_tokens: 3 });
    const metrics = (await (await fetch(`${engine.url}/metrics`)).text())
      .split('\n')
      .filter((line) => /^vllm/.test(line));
    assert.deepEqual(metrics, [
      'vllm:num_requests_running{engine="0",model_name="echo"} 0.0',
      'vllm:num_requests_waiting{engine="0",model_name="echo"} 0.0',
      'vllm:kv_cache_usage_perc{engine="0",model_name="echo"} 0.0',
      'vllm:prompt_tokens_total{engine="0",model_name="echo"} 2.0',
      'vllm:generation_tokens_total{engine="0",model_name="echo"} 3.0',
      'vllm:request_success_total{engine="0",model_name="echo",finished_reason="stop"} 0.0',
      'vllm:request_success_total{engine="0",model_name="echo",finished_reason="length"} 1.0',
    ]);
  });

  it('takes vLLM’s whole command line', async (test) => {
    const engine = await start(
      test,
      '--tensor_parallel_size=4',
      '--enforce-eager',
      '--max-model-len',
      '512',
      '-cc.mode=none',
    );
    await isUp(engine);
    const { data } = (await (await fetch(`${engine.url}/v1/models`)).json()) as { data: readonly unknown[] };
    assert.partialDeepStrictEqual(data[0], { id: 'echo', root: 'org/model', max_model_len: 512, owned_by: 'stand-in' });
  });

  it('keeps its port closed while it starts, and ends at once when told', async (test) => {
    const engine = await start(test, '--stand-in-startup-seconds', '3600');
    await eventually(async () => (engine.output().includes('Starting to load model') ? true : undefined));
    assert.equal(await statusOf(`${engine.url}/health`), undefined);
    engine.stop();
    assert.equal(await engine.exited, 0);
  });

  it('says so when the port is taken, as vLLM does', async (test) => {
    const neighbour = createServer().listen(0, '127.0.0.1');
    await once(neighbour, 'listening');
    test.after(() => neighbour.close());
    const engine = startAt(test, (neighbour.address() as { port: number }).port);
    assert.equal(await engine.exited, 1);
    assert.match(engine.output(), /OSError: \[Errno 98\] Address already in use/);
  });

  const ends: readonly [title: string, args: readonly string[], code: number, said: RegExp][] = [
    ['dies with 0, as vLLM does', ['--stand-in-crash-after-seconds', '0.1'], 0, /EngineDeadError/],
    [
      'dies with the code it is told',
      ['--stand-in-crash-after-seconds=0', '--stand-in-crash-exit-code=7'],
      7,
      /EngineDead/,
    ],
    ['fails to start', ['--stand-in-exit-code', '1'], 1, /Engine core initialization failed/],
    [
      'fails to start with a line',
      ['--stand-in-exit-code=1', '--stand-in-log=CUDA out of memory.'],
      1,
      /^CUDA out of memory\.$/m,
    ],
    ['does not know a fault', ['--stand-in-magic'], 2, /^vllm: error: unrecognized arguments: --stand-in-magic$/m],
  ];
  for (const [title, args, code, said] of ends) {
    it(title, async (test) => {
      const engine = await start(test, ...args);
      assert.equal(await engine.exited, code);
      assert.match(engine.output(), said);
    });
  }

  it('hangs as a stopped engine does: healthy, accepting, silent, its counters still', async (test) => {
    const engine = await start(test, '--stand-in-hang-after-seconds', '0');
    await isUp(engine);
    const giveUp = new AbortController();
    const question = ask(engine, { model: 'echo', prompt: 'a', max_tokens: 1 }, '/v1/completions', giveUp.signal);
    await eventually(
      async () =>
        (await (await fetch(`${engine.url}/metrics`)).text()).includes('running{engine="0",model_name="echo"} 1.0') ||
        undefined,
    );
    assert.equal(await statusOf(`${engine.url}/health`), 200);
    assert.match(await (await fetch(`${engine.url}/metrics`)).text(), /generation_tokens_total\{[^}]*\} 0\.0/);
    giveUp.abort();
    await assert.rejects(question, { name: 'AbortError' });
  });

  it('asks for the key it was given, where vLLM does', async (test) => {
    const engine = await startIn(test, { VLLM_API_KEY: 'sk-1' });
    await isUp(engine);
    const status = (path: string, key?: string) =>
      fetch(engine.url + path, key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } }).then(
        (response) => response.status,
      );
    assert.deepEqual(
      await Promise.all([
        status('/v1/models'),
        status('/v1/models', 'sk-2'),
        status('/v1/models', 'sk-1'),
        status('/health'),
        status('/metrics'),
      ]),
      [401, 401, 200, 200, 200],
    );
  });

  it('says every line of a failure and does not serve', async (test) => {
    const engine = await start(test, '--stand-in-fail', 'first line', 'RuntimeError: the second');
    assert.equal(await engine.exited, 1);
    assert.match(engine.output(), /^first line\nRuntimeError: the second$/m);
  });

  it('serves another model when told to', async (test) => {
    const engine = await start(test, '--stand-in-wrong-model', 'other');
    await isUp(engine);
    assert.deepEqual(
      (await clientOf(engine).models.list()).data.map(({ id }) => id),
      ['other'],
    );
  });
});

describe('stand-ins that are ranks of one engine', { concurrency: 2 }, () => {
  /** A head and one rank beside it. */
  async function pair(test: TestContext, ...args: readonly string[]) {
    const master = await quietPorts(1);
    const place = ['--nnodes', '2', '--master-addr', '127.0.0.1', '--master-port', String(master)];
    const head = await start(test, ...place, '--node-rank', '0', ...args);
    const other = await start(test, ...place, '--node-rank', '1', '--headless', ...args);
    return { head, other };
  }
  const one = (engine: Engine, signal?: AbortSignal) =>
    ask(engine, { model: 'echo', prompt: 'a', max_tokens: 1 }, '/v1/completions', signal);

  it('serve at the head, once all have come', async (test) => {
    const { head, other } = await pair(test);
    await isUp(head);
    assert.equal((await one(head)).status, 200);
    assert.equal(await statusOf(`${other.url}/health`), undefined, 'a rank without a head of its own has no port');
  });

  it('give up on one that never comes, as vLLM does', async (test) => {
    const { head } = await pair(test, '--stand-in-join-seconds=1', '--stand-in-rank=0', '--stand-in-startup-seconds=0');
    const lonely = await start(
      test,
      ...['--nnodes=3', '--node-rank=0', '--master-addr=127.0.0.1', `--master-port=${await quietPorts(1)}`],
      '--stand-in-join-seconds=1',
    );
    assert.equal(await lonely.exited, 1);
    assert.match(
      lonely.output(),
      /DistStoreError: Timed out after 2 seconds waiting for clients\. 1\/3 clients joined/,
    );
    await isUp(head);
  });

  it('end with 0 at the first request after one has died, and not before', async (test) => {
    const { head, other } = await pair(test);
    await isUp(head);
    other.stop('SIGKILL');
    await other.exited;
    assert.equal(await statusOf(`${head.url}/health`), 200);
    assert.equal((await one(head)).status, 500);
    assert.equal(await head.exited, 0);
    assert.match(head.output(), /EngineDeadError/);
  });

  it('hang, and call themselves healthy, while one is stopped', async (test) => {
    const { head, other } = await pair(test);
    await isUp(head);
    other.stop('SIGSTOP');
    const giveUp = new AbortController();
    const question = one(head, giveUp.signal);
    await eventually(
      async () =>
        (await (await fetch(`${head.url}/metrics`)).text()).includes('running{engine="0",model_name="echo"} 1.0') ||
        undefined,
    );
    assert.equal(await statusOf(`${head.url}/health`), 200);
    giveUp.abort();
    await assert.rejects(question, { name: 'AbortError' });
    other.stop('SIGCONT');
  });

  it('stay when their head has gone', async (test) => {
    const { head, other } = await pair(test);
    await isUp(head);
    head.stop('SIGKILL');
    await head.exited;
    const isOver = await Promise.race([
      other.exited.then(() => true),
      new Promise((done) => setTimeout(done, 500, false)),
    ]);
    assert.equal(isOver, false);
  });
});
