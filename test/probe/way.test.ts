import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { request } from 'undici';
import { systemClock } from '../../src/clock.ts';
import { createHttpProber } from '../../src/probe/http.ts';
import { agentOver, type Way } from '../../src/probe/way.ts';
import { err, ok } from '../../src/result.ts';
import { eventually } from '../slurm/cli/programs.ts';

async function socketOf(t: TestContext, answer: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'way-'));
  const path = join(directory, 's');
  const server = createServer((_request, response) => response.end(answer));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true, force: true });
  });
  return path;
}

test('an endpoint is asked through the socket that leads there, by its own name', async (t) => {
  const path = await socketOf(t, 'hello');
  const asked: unknown[] = [];
  const way: Way = {
    route: async (...address) => {
      asked.push(address);
      return ok(path);
    },
    isOpen: async () => true,
  };
  const agent = agentOver(way);
  t.after(() => agent.destroy());
  const { body } = await request('http://node001:20001/health', { dispatcher: agent });
  assert.equal(await body.text(), 'hello');
  const ipv6 = await request('http://[fd00::1]:20002/', { dispatcher: agent });
  await ipv6.body.dump();
  assert.deepEqual(asked, [
    ['node001', 20001],
    ['fd00::1', 20002],
  ]);
});

const TARGET = { id: 'a', url: 'http://node001:20001', ownModelName: 'own', periodMs: 20, timeoutMs: 5_000 };

test('a probe that fails counts only while the way is open: who is not reached may serve others well', async (t) => {
  let isOpen = false;
  let asked = 0;
  const way: Way = {
    route: async () => err('no connection to login1'),
    async isOpen() {
      asked += 1;
      return isOpen;
    },
  };
  const prober = createHttpProber({ clock: systemClock, way });
  t.after(() => prober.close());
  await prober.follow('k', [TARGET]);
  await eventually(async () => (asked >= 3 ? true : undefined));
  const closed = (await prober.follow('k', [TARGET])).get('a');
  assert.deepEqual(closed, { lastOkMs: undefined, failures: 0, lastError: 'no connection to login1' });
  isOpen = true;
  const open = await eventually(async () => {
    const memory = (await prober.follow('k', [TARGET])).get('a');
    return memory && memory.failures > 0 ? memory : undefined;
  });
  assert.equal(open.lastError, 'no connection to login1');
});
