import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSinfo } from '../../../src/slurm/cli/sinfo.ts';
import { isUsable } from '../../../src/slurm/slurm.ts';
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

test('jobs can run, now or later, on a node that is neither down nor drained, failing or not rightly registered', () => {
  const states = [
    ...['idle', 'mixed', 'allocated', 'completing', 'planned', 'reserved', 'maint', 'idle~', 'mixed-', 'idle*'],
    ...['down', 'down*', 'drained', 'draining', 'draining@', 'fail', 'failing', 'error', 'inval', 'unknown*', 'future'],
  ];
  const nodes = parseSinfo(states.map((state, at) => `n${at}=${state}=10.0.0.${at}\n`).join(''));
  assert.deepEqual(
    nodes.filter(isUsable).map(({ name }) => name),
    Array.from({ length: 10 }, (_, at) => `n${at}`),
  );
});
