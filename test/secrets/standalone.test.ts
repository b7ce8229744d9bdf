import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { err, ok } from '../../src/result.ts';
import { createStandaloneSecrets } from '../../src/secrets/standalone.ts';

const directory = mkdtempSync(path.join(os.tmpdir(), 'secrets-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, text: string, mode = 0o600): string {
  const made = path.join(directory, name);
  writeFileSync(made, text);
  chmodSync(made, mode);
  return made;
}

const warnings: string[] = [];
const secrets = createStandaloneSecrets({
  environment: { TOKEN: 'hf_swordfish', SPACED: ' sk-fish \n', EMPTY: '', ODD: 'sword\tfish' },
  clock: systemClock,
  warn: (message) => warnings.push(message),
});
const missing = (message: string) => err({ kind: 'missing', message });

describe('a secret of a standalone operator', () => {
  const fine = [
    ['a variable', { env: 'TOKEN' }, 'hf_swordfish'],
    ['a variable with blanks around it', { env: 'SPACED' }, 'sk-fish'],
    ['the first line of a file', { file: file('two-lines', 'sk-one\r\nsk-two\n') }, 'sk-one'],
    ['a file without a last line break', { file: file('bare', 'sk-bare') }, 'sk-bare'],
    ['a file as long as may be', { file: file('long', `${'x'.repeat(4096)}\n`) }, 'x'.repeat(4096)],
  ] as const;
  for (const [title, source, value] of fine) {
    it(`is ${title}`, async () => assert.deepEqual(await secrets.read('default', source), ok(value)));
  }

  const gone = path.join(directory, 'gone');
  const long = file('too-long', 'x'.repeat(4097));
  const fifo = path.join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const refused = [
    ['a variable that is not set', { env: 'GONE' }, 'the environment of the operator has no GONE'],
    ['an empty one', { env: 'EMPTY' }, "the variable EMPTY of the operator's environment is empty"],
    [
      'one that no header carries, which is not repeated',
      { env: 'ODD' },
      "the variable ODD of the operator's environment holds blanks or characters that no HTTP header can carry",
    ],
    ['a file that is not there', { file: gone }, `${gone}: there is no such file`],
    ['a directory', { file: directory }, `${directory} is no regular file`],
    ['a pipe, whose writer is not waited for', { file: fifo }, `${fifo} is no regular file`],
    ['a file that is no secret by its length', { file: long }, `${long} is longer than 4096 bytes`],
    [
      'a Secret of Kubernetes',
      { secretKeyRef: { name: 'a', key: 'b' } },
      'secretKeyRef needs Kubernetes, and this operator works on a directory: use env or file',
    ],
  ] as const;
  for (const [title, source, message] of refused) {
    it(`is not ${title}`, async () => assert.deepEqual(await secrets.read('default', source), missing(message)));
  }

  it('that others may read is used, and told once', async () => {
    const open = file('open', 'sk-open', 0o644);
    for (let time = 0; time < 3; time++) assert.deepEqual(await secrets.read('default', { file: open }), ok('sk-open'));
    assert.deepEqual(warnings, [`${open} holds a secret and others than its owner may read it: chmod 600 ${open}`]);
  });
});
