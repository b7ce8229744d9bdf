import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSlurmTime } from '../../src/slurm/duration.ts';

test('every notation of --time is read as seconds', () => {
  const read = ['90', '90:30', '1:30:15', '2-12', '2-12:30', '2-12:30:15', '0', 'UNLIMITED', 'infinite'].map(
    parseSlurmTime,
  );
  assert.deepEqual(read, [5400, 5430, 5415, 216_000, 217_800, 217_815, 0, Infinity, Infinity]);
});

test('what is none of the notations is no time', () => {
  const texts = ['', 'lots', '1h', '-1', '1:2:3:4', '1-', '1-2-3', ' 5', '5 ', '1.5', '1-1:1:1:1'];
  assert.deepEqual(
    texts.map(parseSlurmTime),
    texts.map(() => undefined),
  );
});
