import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { readLogTail } from '../../src/probe/log-tail.ts';
import { redact } from '../../src/redact.ts';

describe('the end of a log', async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'vllm-slurm-log-'));
  after(() => rm(directory, { recursive: true }));

  async function tailOf(content: string | Buffer, maxBytes = 1000): Promise<string | undefined> {
    const file = path.join(directory, 'job.log');
    await writeFile(file, content);
    return readLogTail(file, maxBytes);
  }

  const cases: readonly [title: string, content: string | Buffer, maxBytes: number, shown: string][] = [
    ['is all of a short one', 'one\ntwo\n', 1000, 'one\ntwo\n'],
    ['is empty when the log is', '', 1000, ''],
    ['begins with a whole line', 'first line\nsecond\nthird\n', 12, 'third\n'],
    ['begins with a whole character where one line is longer than all', 'ääää', 5, 'ää'],
    [
      'holds no colours and no control characters',
      '\u001b[31mred\u001b[0m\u0007\u0000 tab\there\n',
      1000,
      'red tab\there\n',
    ],
    [
      'holds of a progress bar its last state',
      'load:  0%\rload: 50%\rload: 100%\nready\r\n',
      1000,
      'load: 100%\nready\n',
    ],
    ['survives bytes that are no UTF-8', Buffer.from([0x61, 0xff, 0x62]), 1000, 'a\ufffdb'],
    ['shows no token', 'token hf_abcdefghijklmnop refused\n', 1000, 'token hf_[redacted] refused\n'],
  ];
  for (const [title, content, maxBytes, shown] of cases) {
    it(title, async () => assert.equal(await tailOf(content, maxBytes), shown));
  }

  it('shows none of the secrets that are known, whatever they look like', async () => {
    const file = path.join(directory, 'known.log');
    await writeFile(file, 'key is plain-words-1!\nand plain-words-1\n');
    const tail = await readLogTail(file, 1000, ['plain-words-1', 'plain-words-1!']);
    assert.equal(tail, 'key is [redacted]\nand [redacted]\n');
  });

  it('is undefined where there is no file, or something that is no regular file', async () => {
    const fifo = path.join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    assert.deepEqual(
      await Promise.all([path.join(directory, 'missing'), directory, fifo].map((file) => readLogTail(file, 100))),
      [undefined, undefined, undefined],
    );
  });
});

describe('what looks like a secret', () => {
  const cases: readonly [text: string, shown: string][] = [
    ['Authorization: Bearer abcdef0123456789', 'Authorization: Bearer [redacted]'],
    ['"api_key": "sk-abcdefgh12345678"', '"api_key": "[redacted]"'],
    ['HF_TOKEN=supersecretvalue next', 'HF_TOKEN=[redacted] next'],
    ['--api-key swordfish123 --port 8000', '--api-key [redacted] --port 8000'],
    ['http://user:passw0rd@proxy:3128/', 'http://user:[redacted]@proxy:3128/'],
    ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln', '[redacted]'],
    [
      "non-default args: {'api_key': None, 'max_tokens': 4096}",
      "non-default args: {'api_key': None, 'max_tokens': 4096}",
    ],
    ['Total number of tokens: 123456', 'Total number of tokens: 123456'],
  ];
  for (const [text, shown] of cases) it(`in ${text}`, () => assert.equal(redact(text), shown));
});
