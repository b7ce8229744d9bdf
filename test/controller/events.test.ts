import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Condition, Status } from '../../src/api/status.ts';
import { eventsOf } from '../../src/controller/events.ts';
import type { Outcome } from '../../src/decide/plan.ts';
import { err, ok } from '../../src/result.ts';
import { at, NOW } from '../gen/observation.ts';

const condition = (type: string, status: Condition['status'], reason: string, message = 'so it is'): Condition => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: at(0),
});
const failure = {
  reason: 'EngineFailed',
  message: 'job 101: the engine died',
  replica: 0,
  attempt: 1,
  jobId: '101',
  time: at(-1),
};
const submitted = {
  kind: 'submit' as const,
  replica: 0,
  attempt: 2,
  name: 'vllm.default.chat.r0.a2',
  script: '',
  secrets: [],
  notAfterMs: NOW,
};
const cancelled = {
  kind: 'cancel' as const,
  job: { id: '101', name: 'vllm.default.chat.r0.a1', user: 'alice', submitMs: NOW },
  why: 'scaled down',
};

describe('a turn is worth telling', () => {
  const rows: readonly (readonly [
    title: string,
    before: Status,
    after: Status,
    outcomes: readonly Outcome[],
    told: readonly string[],
  ])[] = [
    [
      'not when nothing happened',
      { conditions: [condition('Ready', 'True', 'Ready')] },
      { conditions: [condition('Ready', 'True', 'Ready')] },
      [],
      [],
    ],
    [
      'when a job was submitted or cancelled, and not when it could not be',
      {},
      {},
      [
        { action: cancelled, result: ok(undefined) },
        { action: submitted, result: ok('102') },
        { action: cancelled, result: err({ kind: 'unknown', message: 'timed out' }) },
        { action: submitted, result: err({ kind: 'rejected', message: 'no such account' }) },
      ],
      ['Normal Cancelled: job 101: scaled down', 'Normal Submitted: replica 0 attempt 2 is job 102'],
    ],
    [
      'when an attempt failed, once',
      {},
      { lastFailure: failure },
      [],
      ['Warning EngineFailed: replica 0 attempt 1: job 101: the engine died'],
    ],
    ['not when the failure is the known one', { lastFailure: failure }, { lastFailure: { ...failure } }, [], []],
    [
      'when Ready, Stalled or the reach of Slurm turn',
      {
        conditions: [
          condition('Ready', 'True', 'Ready'),
          condition('SlurmReachable', 'True', 'Answering'),
          condition('Available', 'True', 'EndpointAnswers'),
        ],
      },
      {
        conditions: [
          condition('Ready', 'False', 'OutOfMemory', 'too small'),
          condition('Stalled', 'True', 'OutOfMemory', 'too small'),
          condition('SlurmReachable', 'False', 'SlurmUnreachable', 'connect failure'),
          condition('Available', 'False', 'NoEndpoint'),
        ],
      },
      [],
      ['Warning OutOfMemory: too small', 'Warning SlurmUnreachable: connect failure'],
    ],
    [
      'when it becomes ready, by that name',
      { conditions: [condition('Ready', 'False', 'Loading')] },
      { conditions: [condition('Ready', 'True', 'ScaledToZero', 'nothing is to be served')] },
      [],
      ['Normal Ready: nothing is to be served'],
    ],
    [
      'not when a condition only says something else',
      { conditions: [condition('Ready', 'False', 'Queued', 'waits')] },
      { conditions: [condition('Ready', 'False', 'Loading', 'loads')] },
      [],
      [],
    ],
    [
      'not for the first status of all, unless it is good or hopeless',
      {},
      { conditions: [condition('Ready', 'False', 'Submitting'), condition('SlurmReachable', 'True', 'Answering')] },
      [],
      [],
    ],
    [
      'for a first status that is hopeless',
      {},
      { conditions: [condition('Ready', 'False', 'InvalidSpec'), condition('Stalled', 'True', 'InvalidSpec', 'bad')] },
      [],
      ['Warning InvalidSpec: bad'],
    ],
  ];
  for (const [title, before, after, outcomes, told] of rows) {
    it(title, () => {
      const events = eventsOf(before, after, outcomes, NOW);
      assert.deepEqual(
        events.map(({ type, reason, message }) => `${type} ${reason}: ${message}`),
        told,
      );
      assert.ok(events.every(({ time }) => time === at(0)));
    });
  }
});
