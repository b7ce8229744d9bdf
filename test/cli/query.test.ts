import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { SpecInput } from '../../src/api/spec.ts';
import type { Endpoint } from '../../src/api/status.ts';
import { PIXEL } from '../gen/picture.ts';
import { type Workspace, workspace } from './workspace.ts';

type Serving = Workspace & { readonly port: number };

/** An engine on a port of its own, and a deployment whose status names it. */
async function serving(answer: RequestListener, spec: Partial<SpecInput> = {}): Promise<Serving> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const here = workspace();
  await here.serve();
  here.deployment(
    'qwen',
    { model: { uri: 'hf://a/b', name: 'served-name' }, replicas: 2, ...spec },
    { endpoints: endpoints(port) },
  );
  return {
    ...here,
    port,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await here[Symbol.asyncDispose]();
    },
  };
}

function endpoints(port: number): Endpoint[] {
  const endpoint = { node: 'n1', port, jobId: '1', since: '2026-01-01T00:00:00Z' };
  return [
    { ...endpoint, replica: 0, url: 'http://127.0.0.1:9', role: 'Warming', ready: false },
    { ...endpoint, replica: 1, url: `http://127.0.0.1:${port}`, role: 'Serving', ready: true },
  ];
}

const chunk = (content: string): string => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
const asked: { path: string | undefined; body: unknown; authorization?: string }[] = [];
async function note(request: IncomingMessage): Promise<void> {
  asked.push({ path: request.url, body: await json(request) });
}

test('tokens are printed as they come, asked of the ready replica under the served name', async () => {
  await using here = await serving(async (request, response) => {
    await note(request);
    // Cut where it hurts: within a character and within a line.
    const bytes = Buffer.from(`${chunk('Hé')}${chunk('llo')}: comment\n\ndata: [DONE]\n\n`);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const byte of bytes) response.write(Uint8Array.of(byte));
    response.end();
  });
  const answered = await here.run(
    'query',
    'qwen',
    'Why?',
    '--max-tokens',
    '5',
    '--temperature',
    '0.5',
    '--system',
    'Be brief',
  );
  assert.deepEqual(answered, { code: 0, stdout: 'Héllo\n', stderr: '' });
  assert.deepEqual(asked.pop(), {
    path: '/v1/chat/completions',
    body: {
      model: 'served-name',
      messages: [
        { role: 'system', content: 'Be brief' },
        { role: 'user', content: 'Why?' },
      ],
      max_tokens: 5,
      temperature: 0.5,
      stream: true,
    },
  });
});

test('--no-stream prints the answer, --json the whole response', async () => {
  const body = { choices: [{ message: { content: 'Because.' } }], usage: { total_tokens: 3 } };
  await using here = await serving(async (request, response) => {
    await note(request);
    response.end(JSON.stringify(body));
  });
  assert.deepEqual(await here.run('query', 'qwen', 'Why?', '--no-stream'), {
    code: 0,
    stdout: 'Because.\n',
    stderr: '',
  });
  const { code, stdout } = await here.run('query', 'qwen', 'Why?', '--json');
  assert.deepEqual({ code, body: JSON.parse(stdout) }, { code: 0, body });
});

test("a refusal is told in the engine's own words", async () => {
  await using here = await serving((_request, response) => {
    response.writeHead(400);
    response.end(JSON.stringify({ error: { message: 'max_tokens is too large' } }));
  });
  const { code, stdout, stderr } = await here.run('query', 'qwen', 'Why?');
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
  assert.match(stderr, /^error: http:\/\/127\.0\.0\.1:\d+ answered 400: max_tokens is too large\n$/);
});

/** Answers whoever shows this key. */
const locked =
  (key: string): RequestListener =>
  (request, response) => {
    if (request.headers.authorization !== `Bearer ${key}`) response.writeHead(401);
    response.end(JSON.stringify({ choices: [{ message: { content: 'Because.' } }] }));
  };

test('the key is read where the spec says, or from the file of --api-key-file', async () => {
  await using here = await serving(locked('sk-swordfish'), { endpoint: { apiKeyFrom: { file: '/no/such/key' } } });
  const key = path.join(here.home, 'key');
  writeFileSync(key, 'sk-swordfish\n', { mode: 0o600 });
  const asked = ['query', 'qwen', 'Why?', '--no-stream'];
  const done = { code: 0, stdout: 'Because.\n', stderr: '' };
  assert.deepEqual(await here.run(...asked, '--api-key-file', 'key'), done);
  here.deployment('keyed', { endpoint: { apiKeyFrom: { file: key } } }, { endpoints: endpoints(here.port) });
  assert.deepEqual(await here.run('query', 'keyed', 'Why?', '--no-stream'), done);
});

test('a key that is refused, or that cannot be read, is told without showing it', async () => {
  await using here = await serving(locked('sk-other'), { endpoint: { apiKeyFrom: { file: '/no/such/key' } } });
  writeFileSync(path.join(here.home, 'key'), 'sk-swordfish', { mode: 0o600 });
  const lacking = await here.run('query', 'qwen', 'Why?');
  assert.match(
    lacking.stderr,
    /^error: http:\S+ refuses the key \(\/no\/such\/key: there is no such file\): give it by --api-key-file FILE or in VLLM_API_KEY\n$/,
  );
  const wrong = await here.run('query', 'qwen', 'Why?', '--api-key-file', 'key');
  assert.match(wrong.stderr, /refuses the key \(not the one its job was started with\)/);
  assert.doesNotMatch(wrong.stderr, /swordfish/);
  const { code, stderr } = await here.run('query', 'qwen', 'Why?', '--api-key-file', 'gone');
  assert.deepEqual(
    { code, stderr },
    { code: 1, stderr: `error: ${path.join(here.home, 'gone')}: there is no such file\n` },
  );
});

test('an answer that breaks off is a failure, though it began well', async () => {
  await using here = await serving((_request, response) => {
    response.end(chunk('Be'));
  });
  assert.deepEqual(await here.run('query', 'qwen', 'Why?'), {
    code: 1,
    stdout: 'Be',
    stderr: 'error: the answer broke off\n',
  });
});

test('a deployment that is not ready is not asked, and the reason is given', async () => {
  await using here = workspace();
  await here.serve();
  here.deployment(
    'qwen',
    {},
    {
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          reason: 'Queued',
          message: 'waiting for GPUs',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    },
  );
  assert.deepEqual(await here.run('query', 'qwen', 'Why?'), {
    code: 1,
    stdout: '',
    stderr: 'error: qwen is not ready: Queued: waiting for GPUs\n  vllm-slurm describe qwen\n',
  });
});

const engine = (answers: Readonly<Record<string, unknown>>): RequestListener => {
  return async (request, response) => {
    const { authorization } = request.headers;
    const body = request.method === 'POST' ? await json(request) : undefined;
    asked.push({ path: request.url, body, ...(authorization !== undefined && { authorization }) });
    response.end(JSON.stringify(answers[request.url ?? ''] ?? { choices: [{ message: { content: 'Yes.' } }] }));
  };
};
const MODELS = { '/v1/models': { data: [{ id: 'first' }, { id: 'second' }] } };

/** The port of the engine behind a workspace. */
async function readyPort(here: Workspace): Promise<string> {
  const { stdout } = await here.run('get', 'qwen', '-o', 'json');
  return String(JSON.parse(stdout).status.endpoints[1].port);
}

test('an endpoint is asked by hand: by flags or by variables, for the model it serves or the one that is named', async () => {
  await using here = await serving(engine(MODELS));
  const port = await readyPort(here);
  const byFlags = await here.run('query', '--host', '127.0.0.1', '--port', port, 'Why?', '--no-stream');
  assert.deepEqual(byFlags, { code: 0, stdout: 'Yes.\n', stderr: '' });
  assert.deepEqual(asked.splice(-2), [
    { path: '/v1/models', body: undefined },
    { path: '/v1/chat/completions', body: { model: 'first', messages: [{ role: 'user', content: 'Why?' }] } },
  ]);
  const variables = { VLLM_HOST: '127.0.0.1', VLLM_PORT: port, VLLM_API_KEY: 'key-of-the-endpoint' };
  const byVariables = await here.runWith(variables, 'query', '--prompt', 'Why?', '--model', 'second', '--no-stream');
  assert.deepEqual(byVariables, { code: 0, stdout: 'Yes.\n', stderr: '' });
  assert.deepEqual(asked.pop(), {
    path: '/v1/chat/completions',
    body: { model: 'second', messages: [{ role: 'user', content: 'Why?' }] },
    authorization: 'Bearer key-of-the-endpoint',
  });
});

test('a deployment is asked at another address when one is given, as through a tunnel', async () => {
  await using here = await serving(engine({}));
  const port = await readyPort(here);
  const { code } = await here.run('query', 'qwen', 'Why?', '--host', 'localhost', '--port', port, '--no-stream');
  assert.equal(code, 0);
  assert.deepEqual(asked.pop(), {
    path: '/v1/chat/completions',
    body: { model: 'served-name', messages: [{ role: 'user', content: 'Why?' }] },
  });
});

test('--list-models prints the names that are served, --export what other clients need; nothing is asked', async () => {
  await using here = await serving(engine(MODELS));
  const port = await readyPort(here);
  const before = asked.length;
  assert.deepEqual(await here.run('query', 'qwen', '--list-models'), {
    code: 0,
    stdout: 'first\nsecond\n',
    stderr: '',
  });
  const listed = JSON.parse((await here.run('query', 'qwen', '--list-models', '--json')).stdout);
  assert.deepEqual(listed, MODELS['/v1/models']);
  assert.deepEqual((await here.run('query', 'qwen', '--export')).stdout.split('\n'), [
    `export OPENAI_BASE_URL=http://127.0.0.1:${port}/v1`,
    'export OPENAI_API_KEY=none',
    'export OPENAI_MODEL=served-name',
    'export VLLM_HOST=127.0.0.1',
    `export VLLM_PORT=${port}`,
    '',
  ]);
  assert.deepEqual(
    asked.splice(before).map(({ path }) => path),
    ['/v1/models', '/v1/models'],
  );
});

test('pictures go along with the question, from files and by address', async () => {
  await using here = await serving(engine({}));
  writeFileSync(path.join(here.home, 'pixel.png'), PIXEL);
  const pictures = ['--image', 'pixel.png', '--image-url', 'https://example.org/cat.jpg'];
  const { code } = await here.run('query', 'qwen', 'What is this?', '--no-stream', ...pictures);
  assert.equal(code, 0);
  assert.deepEqual(asked.pop()?.body, {
    model: 'served-name',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL.toString('base64')}` } },
          { type: 'image_url', image_url: { url: 'https://example.org/cat.jpg' } },
          { type: 'text', text: 'What is this?' },
        ],
      },
    ],
  });
});

test('a file that is no picture is not sent', async () => {
  await using here = await serving(engine({}));
  writeFileSync(path.join(here.home, 'letter.png'), 'Dear model');
  const before = asked.length;
  assert.deepEqual(await here.run('query', 'qwen', 'What is this?', '--image', 'letter.png'), {
    code: 1,
    stdout: '',
    stderr: 'error: letter.png is no image: PNG, JPEG, GIF, WebP, BMP and TIFF are known by their first bytes\n',
  });
  assert.equal(asked.length, before);
});

test('without a prompt the question is read from stdin; an empty one is not asked', async () => {
  await using here = await serving(engine({}));
  assert.equal((await here.runWithInput('Why\nnot?\n', 'query', 'qwen', '--no-stream')).code, 0);
  assert.deepEqual(asked.pop()?.body, {
    model: 'served-name',
    messages: [{ role: 'user', content: 'Why\nnot?' }],
  });
  assert.deepEqual(await here.runWithInput('', 'query', 'qwen'), {
    code: 2,
    stdout: '',
    stderr: 'error: nothing to ask: give a prompt, or text on stdin\n',
  });
});

async function closedPort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

test('an address that is not reached is told with the way through a login node', async () => {
  await using here = workspace();
  const port = await closedPort();
  const { code, stderr } = await here.run(
    ...['query', '--host', '127.0.0.1', '--port', port, '--model', 'm', 'Why?'],
    ...['--set', 'cluster.commandPrefix=ssh,login1'],
  );
  assert.equal(code, 1);
  assert.deepEqual(stderr.split('\n').slice(1), [
    'Compute nodes are often not reached from elsewhere. Through a host that reaches them, in another terminal:',
    `  ssh -N -L ${port}:127.0.0.1:${port} login1`,
    'and then:',
    `  vllm-slurm query --host localhost --port ${port}`,
    '',
  ]);
});

test('whom to ask must be said', async () => {
  await using here = workspace();
  assert.deepEqual(await here.run('query', '--prompt', 'Why?'), {
    code: 2,
    stdout: '',
    stderr: 'error: whom to ask? Name a deployment, or give --host, or set VLLM_HOST\n',
  });
});

test('the stand-in engine takes a picture and tells of it', async () => {
  await using here = workspace();
  const port = await closedPort();
  const standIn = fileURLToPath(new URL('../../src/standin/stand-in.ts', import.meta.url));
  const child = spawn(process.execPath, [standIn, 'serve', 'model', '--host', '127.0.0.1', '--port', port], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (text) => String(text).includes('startup complete') && resolve());
      child.on('exit', () => reject(new Error('it ended')));
    });
    writeFileSync(path.join(here.home, 'pixel.png'), PIXEL);
    const address = ['--host', '127.0.0.1', '--port', port];
    const answered = await here.run('query', ...address, 'What is this?', '--image', 'pixel.png');
    assert.deepEqual(answered, {
      code: 0,
      stdout: `This is a stand-in, not a language model. It was asked: "[image/png of ${PIXEL.length} bytes] What is this?"\n`,
      stderr: '',
    });
  } finally {
    child.kill();
  }
});
