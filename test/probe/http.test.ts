import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { createHttpProber } from '../../src/probe/http.ts';
import type { ProbeMemory, Prober, ProbeTarget } from '../../src/probe/prober.ts';

/** A server whose answers the test changes while it runs. */
type Endpoint = { readonly url: string; answer: RequestListener; readonly asked: string[]; readonly server: Server };

/** All that is asked before a token is. */
const HEALTHY = { '/health': '', '/v1/models': { data: [{ id: 'echo--job-7' }] } };

describe('the HTTP prober', () => {
  let prober: Prober;
  let endpoints: Endpoint[];

  beforeEach(() => {
    prober = createHttpProber({ clock: systemClock, random: () => 0.5 });
    endpoints = [];
  });
  afterEach(async () => {
    await prober.close();
    for (const { server } of endpoints) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  async function endpoint(answer: RequestListener): Promise<Endpoint> {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      self.answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const self: Endpoint = {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      answer,
      asked,
      server,
    };
    endpoints.push(self);
    return self;
  }

  const target = (url: string, more: Partial<ProbeTarget> = {}): ProbeTarget => ({
    id: 'job-7',
    url,
    ownModelName: 'echo--job-7',
    periodMs: 40,
    timeoutMs: 20_000,
    ...more,
  });

  /** Follows and waits until what is known satisfies; woken by the prober and by nothing else. */
  async function follow(targets: readonly ProbeTarget[], isDone: (memory: ProbeMemory | undefined) => boolean) {
    let wakeUp = () => {};
    prober.onChange(() => wakeUp());
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wakeUp = resolve;
      });
      const memory = (await prober.follow('default/chat', targets)).get('job-7');
      if (isDone(memory)) return memory;
      await woken;
    }
  }

  it('believes an endpoint that is healthy and lists the job’s own model name', async () => {
    const good = await endpoint(serving('echo', 'echo--job-7'));
    const startMs = Date.now();
    const memory = (await prober.follow('default/chat', [target(good.url)])).get('job-7');
    assert.deepEqual({ ...memory, lastOkMs: undefined }, { lastOkMs: undefined, failures: 0, lastError: undefined });
    assert.ok((memory?.lastOkMs ?? 0) >= startMs);
    assert.deepEqual(good.asked.slice(0, 3), ['GET /health', 'GET /v1/models', 'POST /v1/completions']);
  });

  it('shows the key to its own endpoint, and asks anew where the key is another', async () => {
    const keyed = await endpoint((request, response) =>
      request.url === '/health' || request.headers.authorization === 'Bearer sk-right'
        ? serving('echo--job-7')(request, response)
        : status(401)(request, response),
    );
    const before = await follow(
      [target(keyed.url, { apiKey: 'sk-wrong', periodMs: 60_000 })],
      (known) => known !== undefined,
    );
    assert.equal(before?.lastError, '/v1/models answered HTTP 401');
    const after = (await prober.follow('default/chat', [target(keyed.url, { apiKey: 'sk-right' })])).get('job-7');
    assert.deepEqual([after?.failures, after?.lastError], [0, undefined]);
  });

  const wrong: readonly { readonly title: string; readonly answer: RequestListener; readonly error: RegExp }[] = [
    {
      title: 'another job’s endpoint',
      answer: serving('echo', 'echo--job-6'),
      error: /^another server answers there: it serves echo, echo--job-6, not echo--job-7$/,
    },
    { title: 'a refusal for want of a key', answer: status(401), error: /^\/health answered HTTP 401$/ },
    { title: 'an engine that is dead behind its server', answer: status(503), error: /^\/health answered HTTP 503$/ },
    {
      title: 'a redirect, wherever it leads',
      answer: (_request, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      error: /^\/health answered HTTP 302$/,
    },
    {
      title: 'something that speaks no JSON',
      answer: (_request, response) => response.end('<html>'),
      error: /^\/v1\/models answered something that is no list of models$/,
    },
    {
      title: 'an answer without end',
      answer(_request, response) {
        const chunk = Buffer.alloc(65_536, 32);
        const pour = () => {
          while (!response.destroyed && response.write(chunk));
        };
        response.on('drain', pour);
        pour();
      },
      error: /^\/health answered more than 4194304 bytes$/,
    },
    {
      title: 'an engine whose every part is well, and gives no token',
      answer: answering({ ...HEALTHY, '/v1/completions': 500 }),
      error: /^\/v1\/completions answered HTTP 500$/,
    },
    {
      title: 'an answer with no token in it',
      answer: answering({ ...HEALTHY, '/v1/completions': { choices: [] } }),
      error: /^\/v1\/completions answered without anything in it$/,
    },
    {
      title: 'a model that neither completes nor embeds',
      answer: answering({ ...HEALTHY, '/v1/completions': 501, '/v1/embeddings': 501 }),
      error: /^\/v1\/completions answered HTTP 501$/,
    },
    {
      title: 'a connection that is cut',
      answer: (request) => request.socket.destroy(),
      error: /^the connection was closed$|^connection reset$/,
    },
  ];
  for (const { title, answer, error } of wrong) {
    it(`does not believe ${title}`, async () => {
      const { url } = await endpoint(answer);
      const memory = (await prober.follow('default/chat', [target(url)])).get('job-7');
      assert.deepEqual({ ...memory, lastError: undefined }, { lastOkMs: undefined, failures: 1, lastError: undefined });
      assert.match(memory?.lastError ?? '', error);
    });
  }

  for (const refusal of [400, 404, 501]) {
    it(`believes a model that only embeds, where completions are refused with ${refusal}`, async () => {
      const { url } = await endpoint(
        answering({ ...HEALTHY, '/v1/completions': refusal, '/v1/embeddings': { data: [{ embedding: [0.1] }] } }),
      );
      const memory = (await prober.follow('default/chat', [target(url)])).get('job-7');
      assert.deepEqual({ failures: memory?.failures, error: memory?.lastError }, { failures: 0, error: undefined });
    });
  }

  describe('asks the counters of an engine whose token does not come in time', () => {
    /** Never answers a completion; each look at its counters finds `tokens()`. */
    const slow = (tokens: () => number): RequestListener => {
      const healthy = answering(HEALTHY);
      return (request, response) => {
        if (request.url === '/v1/completions') return;
        if (request.url !== '/metrics') return healthy(request, response);
        response.end(
          `# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total{engine="0",model_name="{a}"} ${tokens()}.0\n`,
        );
      };
    };

    it('and believes it when tokens come out: it is only busy', async () => {
      let tokens = 7;
      const { url, asked } = await endpoint(slow(() => tokens++));
      const memory = await follow([target(url, { timeoutMs: 300 })], (known) => known?.lastOkMs !== undefined);
      assert.equal(memory?.failures, 0);
      assert.equal(asked.filter((one) => one === 'GET /metrics').length, 2);
    });

    for (const [title, tokens] of [
      ['when none comes out', () => 7],
      ['when it does not say', () => Number.NaN],
    ] as const) {
      it(`and does not believe it ${title}`, async () => {
        const { url } = await endpoint(slow(tokens));
        const memory = await follow([target(url, { timeoutMs: 300 })], (known) => (known?.failures ?? 0) > 0);
        assert.deepEqual(memory, { lastOkMs: undefined, failures: 1, lastError: 'no token within 0.3 s' });
      });
    }
  });

  it('says in words that nobody listens', async () => {
    const gone = await endpoint(status(200));
    await new Promise((resolve) => gone.server.close(resolve));
    const memory = (await prober.follow('default/chat', [target(gone.url)])).get('job-7');
    assert.deepEqual(memory, { lastOkMs: undefined, failures: 1, lastError: 'connection refused' });
  });

  it('gives up on an endpoint that accepts and never answers', async () => {
    const silent = await endpoint(() => {});
    const memory = await follow([target(silent.url, { timeoutMs: 50 })], (known) => (known?.failures ?? 0) > 0);
    assert.equal(memory?.lastError, 'no answer within 0.05 s');
  });

  it('wakes the deployment when an endpoint begins to answer, fails, and answers again', async () => {
    const moody = await endpoint(status(503));
    const targets = [target(moody.url)];
    await follow(targets, (known) => known?.failures === 2);
    moody.answer = serving('echo--job-7');
    const up = await follow(targets, (known) => known?.failures === 0);
    moody.answer = status(503);
    const down = await follow(targets, (known) => known?.failures === 1);
    assert.deepEqual(
      {
        failures: down?.failures,
        lastError: down?.lastError,
        keepsItsLastOk: (down?.lastOkMs ?? 0) >= (up?.lastOkMs ?? 1),
      },
      { failures: 1, lastError: '/health answered HTTP 503', keepsItsLastOk: true },
    );
    moody.answer = serving('echo--job-7');
    await follow(targets, (known) => known?.failures === 0);
  });

  it('does not wake anybody while nothing changes', async () => {
    const steady = await endpoint(serving('echo--job-7'));
    const woken: string[] = [];
    prober.onChange((key) => woken.push(key));
    await prober.follow('default/chat', [target(steady.url)]);
    await until(() => steady.asked.length >= 10);
    assert.deepEqual(woken, ['default/chat']);
  });

  it('keeps what it knows of a target that stays, and forgets one that is dropped or moves', async () => {
    const first = await endpoint(serving('echo--job-7'));
    const second = await endpoint(() => {});
    await prober.follow('default/chat', [target(first.url)]);
    const kept = await prober.follow('default/chat', [target(first.url, { periodMs: 60_000 })]);
    assert.equal(kept.get('job-7')?.failures, 0);
    const moved = await prober.follow('default/chat', [target(second.url, { timeoutMs: 20 })]);
    assert.equal(moved.get('job-7')?.lastOkMs, undefined);
    const asked = first.asked.length;
    await until(() => second.asked.length > 0);
    assert.equal(first.asked.length, asked);
    assert.deepEqual(await prober.follow('default/chat', []), new Map());
  });

  it('never has more probes under way than it may', async () => {
    await prober.close();
    prober = createHttpProber({ clock: systemClock, concurrency: 3 });
    let inside = 0;
    let most = 0;
    const { url } = await endpoint((request, response) => {
      if (request.url === '/health') most = Math.max(most, ++inside);
      setTimeout(() => {
        if (request.url !== '/health') inside -= 1;
        serving('echo--job-7')(request, response);
      }, 5);
    });
    const targets = Array.from({ length: 12 }, (_, i) => target(url, { id: `job-${i}`, periodMs: 60_000 }));
    const memories = await prober.follow('default/chat', targets);
    assert.deepEqual(
      [...memories.values()].map(({ failures }) => failures),
      Array(12).fill(0),
    );
    assert.ok(most <= 3, `${most} at a time`);
  });
});

function serving(...names: readonly string[]): RequestListener {
  return answering({
    '/health': '',
    '/v1/models': { object: 'list', data: names.map((id) => ({ id })) },
    '/v1/completions': { choices: [{ text: 'a' }] },
  });
}

/** By path: a status to refuse with, or what to answer; what is not named is not there. */
function answering(paths: Readonly<Record<string, unknown>>): RequestListener {
  return (request, response) => {
    const answer = paths[request.url ?? ''] ?? 404;
    if (typeof answer === 'number') response.writeHead(answer).end();
    else response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  };
}

function status(code: number): RequestListener {
  return (_request, response) => response.writeHead(code).end();
}

async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 5));
}
