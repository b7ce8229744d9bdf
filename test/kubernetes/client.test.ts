import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Agent } from 'undici';
import type { KubernetesApi } from '../../src/kubernetes/api.ts';
import { createLineReader } from '../../src/kubernetes/body.ts';
import { createKubernetesApi } from '../../src/kubernetes/client.ts';

describe('the client of the API server', () => {
  let server: Server;
  let api: KubernetesApi;
  let answer: RequestListener;

  beforeEach(async () => {
    server = createServer((request, response) => answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    api = clientOf((server.address() as AddressInfo).port);
  });
  afterEach(async () => {
    await api.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  function clientOf(port: number): KubernetesApi {
    return createKubernetesApi(
      {
        server: `http://127.0.0.1:${port}`,
        namespace: 'default',
        present: async () => ({ headers: { Authorization: 'Bearer token' }, tls: {} }),
        connect: () => new Agent(),
      },
      'test',
    );
  }
  const saying = (code: number, body: object | string): RequestListener => {
    return (_request, response) => {
      response.writeHead(code, { 'content-type': 'application/json' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
  };
  const kindOf = async (timeoutMs?: number): Promise<string> => {
    const result = await api.request({ method: 'GET', path: '/', ...(timeoutMs !== undefined && { timeoutMs }) });
    return result.ok ? 'ok' : result.error.kind;
  };

  test('a merge patch goes out with its type, the query and the credentials', async () => {
    let asked: unknown;
    answer = (request, response) => {
      const { method, url, headers } = request;
      asked = [method, url, headers['content-type'], headers.authorization, headers['user-agent']];
      response.end('{}');
    };
    assert.deepEqual(await api.request({ method: 'PATCH', path: '/a', query: { b: 'c d' }, body: {} }), {
      ok: true,
      value: {},
    });
    assert.deepEqual(asked, ['PATCH', '/a?b=c+d', 'application/merge-patch+json', 'Bearer token', 'test']);
  });

  for (const [code, kind] of [
    [400, 'refused'],
    [403, 'refused'],
    [404, 'refused'],
    [409, 'refused'],
    [422, 'refused'],
    [429, 'unreachable'],
    [503, 'unreachable'],
    [500, 'unknown'],
    [504, 'unknown'],
  ] as const)
    test(`${code} is ${kind}`, async () => {
      answer = saying(code, { kind: 'Status', message: 'no', reason: 'Because', code });
      assert.equal(await kindOf(), kind);
    });

  test('a refusal is told in the server’s own words', async () => {
    const details = { name: 'web', kind: 'vllmdeployments' };
    answer = saying(409, { message: 'the object has been modified', reason: 'Conflict', code: 409, details });
    assert.deepEqual(await api.request({ method: 'PUT', path: '/a', body: {} }), {
      ok: false,
      error: {
        kind: 'refused',
        code: 409,
        reason: 'Conflict',
        about: 'web',
        message: 'the API server answered 409 Conflict: the object has been modified',
      },
    });
  });

  test('no connection is unreachable; an answer that is late, cut off or no JSON is unknown', async () => {
    answer = () => undefined;
    assert.equal(await kindOf(50), 'unknown');
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{');
      setImmediate(() => response.destroy());
    };
    assert.equal(await kindOf(), 'unknown');
    answer = saying(200, 'nonsense');
    assert.equal(await kindOf(), 'unknown');
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    await api.close();
    api = clientOf(port);
    assert.equal(await kindOf(), 'unreachable');
  });

  test('a watch hands on each line as it comes, and is given up when it falls silent', async () => {
    const events: unknown[] = [];
    let opened = 0;
    answer = (_request, response) => {
      response.write('{"type":"ADD');
      setImmediate(() => response.write('ED"}\n{"type":"MODIFIED"}\n{"half'));
    };
    const ended = await api.watch({
      path: '/things',
      query: {},
      idleMs: 100,
      signal: new AbortController().signal,
      opened: () => {
        opened += 1;
      },
      event: (event) => void events.push(event),
    });
    assert.deepEqual([opened, events], [1, [{ type: 'ADDED' }, { type: 'MODIFIED' }]]);
    assert.equal(ended.ok ? 'ok' : ended.error.kind, 'unknown');
  });

  test('a watch is given up at once when its owner says so, also before it is accepted', async () => {
    answer = () => undefined;
    const leaving = new AbortController();
    const ended = api.watch({
      path: '/things',
      query: {},
      idleMs: 60_000,
      signal: leaving.signal,
      opened: () => undefined,
      event: () => undefined,
    });
    leaving.abort();
    assert.equal((await ended).ok, false);
  });
});

test('lines are the same however they come in pieces, and one too long is an error', () => {
  const text = Buffer.from('{"a":"é漢"}\n\n{"b":1}\n');
  for (let size = 1; size <= text.length; size += 1) {
    const reader = createLineReader(64);
    const lines: string[] = [];
    for (let at = 0; at < text.length; at += size) lines.push(...reader.take(text.subarray(at, at + size)));
    assert.deepEqual(lines, ['{"a":"é漢"}', '{"b":1}']);
  }
  assert.throws(() => createLineReader(8).take(Buffer.from('123456789')), /longer than 8 bytes/);
});
