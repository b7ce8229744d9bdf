import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSpan, spanWords } from '../../src/cli/spans.ts';

test('ages read as kubectl prints them', () => {
  const s = 1000;
  const m = 60 * s;
  const h = 60 * m;
  const d = 24 * h;
  const cases: readonly (readonly [number, string])[] = [
    [-5 * s, '0s'],
    [0, '0s'],
    [119 * s, '119s'],
    [2 * m, '2m'],
    [3 * m + 5 * s, '3m5s'],
    [11 * m + 5 * s, '11m'],
    [3 * h + 20 * m, '3h20m'],
    [9 * h + 20 * m, '9h'],
    [49 * h, '2d1h'],
    [30 * d, '30d'],
    [800 * d, '2y70d'],
  ];
  assert.deepEqual(
    cases.map(([span]) => spanWords(span)),
    cases.map(([, words]) => words),
  );
});

test('time-outs are taken as kubectl takes them', () => {
  assert.deepEqual(
    ['0', '90', '90s', '5m', '1h30m', '1.5h', '250ms'].map(parseSpan),
    [0, 90_000, 90_000, 300_000, 5_400_000, 5_400_000, 250],
  );
  for (const wrong of ['', 'soon', '-5s', '5 m']) {
    assert.throws(() => parseSpan(wrong), { message: 'Must be a time such as 90s, 5m or 1h30m.' });
  }
});
