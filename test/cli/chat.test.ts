import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { Cli } from '../../src/cli/cli.ts';
import { addressByHand } from '../../src/cli/query/address.ts';
import { chat } from '../../src/cli/query/chat.ts';
import type { Message } from '../../src/cli/query/messages.ts';
import { systemClock } from '../../src/clock.ts';

const cli: Cli = {
  environment: {},
  home: '/home/user',
  workingDirectory: '/home/user',
  userId: undefined,
  clock: systemClock,
  stdout: { write: () => true },
  stderr: { write: () => true },
  interrupted: new AbortController().signal,
  exit: () => undefined,
};

/** Types each line when it is asked for one, and then ends the input. @returns what was sent each time */
async function talk(lines: readonly string[], fails: (question: number) => boolean = () => false) {
  const input = new PassThrough();
  const asked: (readonly Message[])[] = [];
  const [first = '', ...rest] = lines;
  const type = (line: string | undefined) => (line === undefined ? input.end() : input.write(`${line}\n`));
  const typing = [...rest];
  type(first);
  const code = await chat(cli, input, [{ role: 'system', content: 'Be brief' }], ['data:,'], async (messages) => {
    asked.push(messages);
    setImmediate(() => type(typing.shift()));
    return fails(asked.length) ? 1 : `answer ${asked.length}`;
  });
  return { code, asked };
}

const SYSTEM: Message = { role: 'system', content: 'Be brief' };
const FIRST: Message = {
  role: 'user',
  content: [
    { type: 'image_url', image_url: { url: 'data:,' } },
    { type: 'text', text: 'one' },
  ],
};

test('each question goes with what was said before, pictures with the first; the end of input ends it', async () => {
  const { code, asked } = await talk(['one', 'two']);
  assert.equal(code, 0);
  assert.deepEqual(asked, [
    [SYSTEM, FIRST],
    [SYSTEM, FIRST, { role: 'assistant', content: 'answer 1' }, { role: 'user', content: 'two' }],
  ]);
});

test('a question that failed is taken back', async () => {
  const { asked } = await talk(['one', 'one'], (question) => question === 1);
  assert.deepEqual(asked, [
    [SYSTEM, FIRST],
    [SYSTEM, FIRST],
  ]);
});

test('/exit ends it before the input does', async () => {
  assert.deepEqual(await talk(['/exit']), { code: 0, asked: [] });
});

test('an address is what flags say, else what the environment says, with the port vLLM has by default', () => {
  const environment = { VLLM_HOST: 'node001', VLLM_PORT: '20000' };
  const rows = [
    [addressByHand({}, {}), { ok: true, value: undefined }],
    [addressByHand({}, environment), { ok: true, value: 'http://node001:20000' }],
    [addressByHand({ host: 'node002', port: 8001 }, environment), { ok: true, value: 'http://node002:8001' }],
    [addressByHand({ host: 'node002' }, {}), { ok: true, value: 'http://node002:8000' }],
    [addressByHand({ host: 'https://models.example.org' }, {}), { ok: true, value: 'https://models.example.org' }],
    [addressByHand({ host: '::1', port: 8001 }, {}), { ok: true, value: 'http://[::1]:8001' }],
    [addressByHand({ port: 8001 }, {}), { ok: false, error: '--port needs a host: --host or VLLM_HOST' }],
    [addressByHand({}, { ...environment, VLLM_PORT: 'x' }), { ok: false, error: 'VLLM_PORT is no port: x' }],
  ] as const;
  for (const [got, expected] of rows) assert.deepEqual(got, expected);
});
