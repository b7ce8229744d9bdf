import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/clock.ts';
import { createHttpProber } from '../../src/probe/http.ts';
import type { ProbeMemory } from '../../src/probe/prober.ts';
import { eventually, quietPorts } from '../launch/compute-node.ts';

const PROGRAM = fileURLToPath(new URL('../../src/standin/stand-in.ts', import.meta.url));
const OWN_NAME = 'vllm-slurm--job-7';

/** @returns its URL, once it answers */
async function engine(test: TestContext, ...args: readonly string[]): Promise<string> {
  const port = await quietPorts(1);
  const names = ['--served-model-name', 'echo', OWN_NAME];
  const child = spawn(
    process.execPath,
    [PROGRAM, 'serve', 'org/model', '--host', '127.0.0.1', '--port', String(port), ...names, ...args],
    { stdio: 'ignore' },
  );
  test.after(() => child.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}`;
  await eventually(() =>
    fetch(`${url}/health`).then(
      ({ status }) => status,
      () => undefined,
    ),
  );
  return url;
}

/** What is known of it after its first probe. */
async function probed(test: TestContext, url: string, timeoutMs: number): Promise<ProbeMemory> {
  const prober = createHttpProber({ clock: systemClock });
  test.after(() => prober.close());
  const target = { id: 'job-7', url, ownModelName: OWN_NAME, periodMs: 60_000, timeoutMs };
  const look = async () => (await prober.follow('default/chat', [target])).get('job-7');
  return eventually(async () => {
    const memory = await look();
    return memory && (memory.lastOkMs !== undefined || memory.failures > 0) ? memory : undefined;
  });
}

const outcome = ({ failures, lastError }: ProbeMemory) => ({ failures, lastError });
const GOOD = { failures: 0, lastError: undefined };

describe('an engine is ready', { concurrency: 4 }, () => {
  it('when a token comes out of it', async (test) =>
    assert.deepEqual(outcome(await probed(test, await engine(test), 20_000)), GOOD));

  it('when its model only embeds, and an embedding comes out', async (test) =>
    assert.deepEqual(outcome(await probed(test, await engine(test, '--runner', 'pooling'), 20_000)), GOOD));

  it('while it is too busy for one more token, and gives others theirs', async (test) => {
    const url = await engine(test, '--stand-in-token-milliseconds', '1500');
    const giveUp = new AbortController();
    test.after(() => giveUp.abort());
    const prompt = 'word '.repeat(400);
    const body = JSON.stringify({ model: 'echo', prompt, max_tokens: 400 });
    fetch(`${url}/v1/completions`, { method: 'POST', body, signal: giveUp.signal }).catch(() => undefined);
    assert.deepEqual(outcome(await probed(test, url, 1_000)), GOOD);
  });

  it('no longer when it hangs, however well it says it is', async (test) => {
    const url = await engine(test, '--stand-in-hang-after-seconds', '0');
    assert.deepEqual(outcome(await probed(test, url, 1_000)), { failures: 1, lastError: 'no token within 1 s' });
  });
});
