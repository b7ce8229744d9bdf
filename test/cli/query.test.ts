import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import type { SpecInput } from '../../src/api/spec.ts';
import type { Endpoint } from '../../src/api/status.ts';
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
const asked: { path: string | undefined; body: unknown }[] = [];
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
