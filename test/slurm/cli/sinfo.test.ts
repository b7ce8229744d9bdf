import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEquipped, parseSinfo } from '../../../src/slurm/cli/sinfo.ts';
import { type EquippedNode, isUsable } from '../../../src/slurm/slurm.ts';
import { recorded } from './recorded.ts';

test('each node is told once, however many partitions it is in', () => {
  assert.deepEqual(parseSinfo(recorded('22.05.8', 'sinfo.txt')), [
    { name: 'node001', address: '127.0.0.1', state: 'mixed' },
    { name: 'node002', address: '127.0.0.1', state: 'mixed' },
    { name: 'node003', address: '127.0.0.1', state: 'completing' },
    { name: 'node004', address: '127.0.0.1', state: 'mixed' },
  ]);
});

test('each node is told with its GPUs and how many of them jobs hold, whatever of its types is named where', () => {
  const nodes = (second: string, fifth: EquippedNode) => [
    { name: 'node001', address: '127.0.0.1', state: 'draining', gpus: [{ type: 'h100', total: 4, used: 3 }] },
    { name: 'node002', address: '127.0.0.1', state: second, gpus: [{ type: '', total: 4, used: 3 }] },
    { name: 'node003', address: '127.0.0.1', state: 'mixed', gpus: [{ type: '', total: 4, used: 1 }] },
    {
      name: 'node004',
      address: '127.0.0.1',
      state: 'mixed',
      gpus: [
        { type: 'h100', total: 2, used: 2 },
        { type: 'a100', total: 2, used: 1 },
      ],
    },
    fifth,
  ];
  const node005 = { name: 'node005', address: '127.0.0.1', state: 'drained', gpus: [] };
  const unregistered = { ...node005, state: 'inval', gpus: [{ type: '', total: 4, used: 0 }] };
  assert.deepEqual(parseEquipped(recorded('22.05.8', 'sinfo-gpus.txt')), nodes('fail', unregistered));
  assert.deepEqual(parseEquipped(recorded('24.11.5', 'sinfo-gpus.txt')), nodes('fail', node005));
  assert.deepEqual(parseEquipped(recorded('26.05.5', 'sinfo-gpus.txt')), nodes('failing', node005));
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
