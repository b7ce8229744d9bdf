import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSinfo } from '../../../src/slurm/cli/sinfo.ts';
import { recorded } from './recorded.ts';

test('each node is told once, however many partitions it is in', () => {
  assert.deepEqual(parseSinfo(recorded('22.05.8', 'sinfo.txt')), [
    { name: 'node001', address: '127.0.0.1', state: 'mixed' },
    { name: 'node002', address: '127.0.0.1', state: 'mixed' },
    { name: 'node003', address: '127.0.0.1', state: 'completing' },
    { name: 'node004', address: '127.0.0.1', state: 'mixed' },
  ]);
});

test('a state is a word without the flags behind it', () => {
  const flagged = [
    'idle*',
    'DOWN*',
    'mixed-',
    'idle~',
    'allocated+',
    'draining@',
    'planned',
    'idle^',
    'down$',
    'idle%',
  ];
  assert.deepEqual(
    parseSinfo(flagged.map((state, i) => `n${i}=${state}=10.0.0.${i}\n`).join('')).map(({ state }) => state),
    ['idle', 'down', 'mixed', 'idle', 'allocated', 'draining', 'planned', 'idle', 'down', 'idle'],
  );
});
