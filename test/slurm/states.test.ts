import assert from 'node:assert/strict';
import { test } from 'node:test';
import { END_STATES, PENDING_STATES, RUNNING_STATES } from '../../src/slurm/job.ts';
import { readState } from '../../src/slurm/states.ts';

test('every state of the contract reads back as itself, in its phase', () => {
  const all = [
    ...PENDING_STATES.map((state) => ({ phase: 'pending', state })),
    ...RUNNING_STATES.map((state) => ({ phase: 'running', state })),
    { phase: 'completing', state: 'COMPLETING' },
    ...END_STATES.map((state) => ({ phase: 'ended', state })),
  ];
  assert.deepEqual(
    all.map(({ state }) => readState(state)),
    all,
  );
});

test("accounting's long word for a cancellation is a cancellation", () => {
  assert.deepEqual(readState('CANCELLED by 2001'), { phase: 'ended', state: 'CANCELLED' });
});

test('a word nobody knows has no phase', () => {
  assert.deepEqual(['', 'ENLIGHTENED', 'running', 'constructor'].map(readState), Array(4).fill(undefined));
});
