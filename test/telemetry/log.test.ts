import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog, type LogOptions } from '../../src/telemetry/log.ts';

function logged(options: Partial<LogOptions>, write: (log: ReturnType<typeof createLog>) => void): string {
  let text = '';
  const stream = {
    write(piece: string) {
      text += piece;
    },
  };
  write(
    createLog({ level: 'info', format: 'auto', stream, isTerminal: false, colour: false, secrets: [], ...options }),
  );
  return text;
}

test('off a terminal a line is JSON with level, time and message', () => {
  const line = logged({}, (log) => log.info({ jobs: 3 }, 'listed'));
  const { time, ...rest } = JSON.parse(line);
  assert.deepEqual(rest, { level: 'info', jobs: 3, msg: 'listed' });
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test('on a terminal a line is for people', () => {
  const line = logged({ isTerminal: true }, (log) => log.warn({ jobs: 3 }, 'slow'));
  assert.match(line, /^\[\d\d:\d\d:\d\d\] WARN: slow \{"jobs":3\}\n$/);
});

test('a secret that becomes known later is left out from then on', () => {
  const secrets = new Set<string>();
  const lines = logged({ secrets }, (log) => {
    secrets.add('sword"fish');
    log.info({ deep: [{ said: 'a sword"fish' }] }, 'told');
  });
  assert.deepEqual(JSON.parse(lines).deep, [{ said: 'a [redacted]' }]);
});

test('secrets are left out wherever they stand: messages, nested fields, errors, known values', () => {
  const line = logged({ secrets: ['swordfish-1'] }, (log) =>
    log.error(
      {
        err: new Error('401 for hf_abcdefghijklmnop'),
        headers: { Authorization: 'Basic "quoted\\"' },
        deep: [{ api_key: 'x' }],
        max_tokens: 5,
        line: 'Bearer abc.def-ghi',
      },
      'it was swordfish-1',
    ),
  );
  const { err, headers, deep, max_tokens, line: text, msg } = JSON.parse(line);
  assert.deepEqual(
    { message: err.message, headers, deep, max_tokens, text, msg },
    {
      message: '401 for hf_[redacted]',
      headers: { Authorization: '[redacted]' },
      deep: [{ api_key: '[redacted]' }],
      max_tokens: 5,
      text: 'Bearer [redacted]',
      msg: 'it was [redacted]',
    },
  );
  assert.doesNotMatch(line, /hf_abc|swordfish|quoted/);
});
