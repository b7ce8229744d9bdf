import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPage, parseBindAddress, serveEndpoints } from '../../src/telemetry/endpoints.ts';

test('an address is a port, with or without a host', () => {
  const read = [':8080', '127.0.0.1:0', 'localhost:1', '[::1]:8081', '8080', ':70000', '::1:80', ''].map(
    parseBindAddress,
  );
  assert.deepEqual(read, [
    { host: undefined, port: 8080 },
    { host: '127.0.0.1', port: 0 },
    { host: 'localhost', port: 1 },
    { host: '::1', port: 8081 },
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('pages answer at their paths, what is broken says so, everything else is not found', async () => {
  const served = await serveEndpoints(
    { host: '127.0.0.1', port: 0 },
    {
      '/healthz': () => checkPage({ ping: () => undefined }),
      '/readyz': () => checkPage({ ping: () => undefined, store: async () => 'it does not answer' }),
      '/broken': () => Promise.reject(new Error('a mistake')),
    },
  );
  assert.ok(served.ok);
  const { address, close } = served.value;
  try {
    const ask = async (path: string, method = 'GET') => {
      const answer = await fetch(`http://${address}${path}`, { method });
      return [answer.status, await answer.text()];
    };
    assert.deepEqual(await ask('/healthz?verbose'), [200, '[+]ping ok\nok\n']);
    assert.deepEqual(await ask('/readyz'), [500, '[+]ping ok\n[-]store failed: it does not answer\ncheck failed\n']);
    assert.deepEqual(await ask('/broken'), [500, 'a mistake\n']);
    assert.deepEqual(await ask('/toString'), [404, 'there is /healthz, /readyz, /broken\n']);
    assert.equal((await ask('/healthz', 'POST'))[0], 404);
    const taken = await serveEndpoints({ host: '127.0.0.1', port: Number(address.split(':')[1]) }, {});
    assert.match(taken.ok ? '' : taken.error, /^cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/);
  } finally {
    await close();
  }
});
