import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isOver, sortAttempt } from '../../src/decide/attempts.ts';
import type { OwnJob } from '../../src/decide/observation.ts';
import { completingJob, endedJob, NOW, pendingJob, runningJob } from '../gen/observation.ts';

const older = { submitMs: NOW - 200_000 };
const younger = { submitMs: NOW - 100_000 };

describe('the jobs of one replica', () => {
  const rows: readonly (readonly [
    title: string,
    jobs: readonly OwnJob[],
    attempt: number,
    settled: number,
    current: string | undefined,
    condemned: readonly string[],
  ])[] = [
    ['none: nothing counts', [], 1, 0, undefined, []],
    ['the newest attempt’s job counts', [pendingJob({ id: '1' })], 1, 0, '1', []],
    [
      'of twins in the queue the older counts',
      [pendingJob({ id: '2', ...younger }), pendingJob({ id: '1', ...older })],
      1,
      0,
      '1',
      ['2'],
    ],
    [
      'of twins submitted in the same second the lower id counts',
      [pendingJob({ id: '10' }), pendingJob({ id: '9' })],
      1,
      0,
      '9',
      ['10'],
    ],
    [
      'the running copy counts, although another is older',
      [pendingJob({ id: '1', ...older }), runningJob({ id: '2', ...younger })],
      1,
      0,
      '2',
      ['1'],
    ],
    [
      'a twin in the queue counts when the other has ended',
      [endedJob({ id: '1', ...older }), pendingJob({ id: '2', ...younger })],
      1,
      0,
      '2',
      [],
    ],
    [
      'a copy that speaks its last word counts, and its twin is condemned before it starts',
      [completingJob({ id: '1', says: 'phase=failed|code=66' }), pendingJob({ id: '2', ...younger })],
      1,
      0,
      '1',
      ['2'],
    ],
    [
      'of two that ended the later tells what happened',
      [endedJob({ id: '1', endMs: NOW - 9_000 }), endedJob({ id: '2', endMs: NOW - 4_000 })],
      1,
      0,
      '2',
      [],
    ],
    [
      'of two that ended the cancelled one tells nothing: it may be the twin that we cancelled',
      [endedJob({ id: '1', endMs: NOW - 9_000 }), endedJob({ id: '2', state: 'CANCELLED', endMs: NOW - 4_000 })],
      1,
      0,
      '1',
      [],
    ],
    ['a live job of an older attempt is condemned', [runningJob({ id: '1' })], 2, 1, undefined, ['1']],
    ['a live job of an attempt already judged is condemned', [runningJob({ id: '1' })], 1, 1, '1', ['1']],
    ['an ended job needs no condemning', [endedJob({ id: '1' })], 2, 1, undefined, []],
  ];
  for (const [title, jobs, attempt, settled, current, condemned] of rows) {
    it(title, () => {
      const sorted = sortAttempt(jobs, attempt, settled);
      assert.deepEqual(
        { current: sorted.current?.id, condemned: sorted.condemned.map((job) => job.id) },
        { current, condemned },
      );
    });
  }
});

describe('a job is over', () => {
  const rows: readonly (readonly [title: string, job: OwnJob, over: boolean])[] = [
    ['when it has ended', endedJob(), true],
    ['when it completes and said that it failed', completingJob({ says: 'phase=failed|code=69' }), true],
    ['when it completes and said that it ended', completingJob({ says: 'phase=ended|code=0' }), true],
    ['when it completes because its node is down', completingJob({ reason: 'NodeDown' }), true],
    ['not when it completes and last said that it was ready', completingJob({ says: 'phase=ready' }), false],
    ['not when it runs, whatever it says', runningJob({ says: 'phase=failed|code=69' }), false],
    ['not when it waits', pendingJob(), false],
  ];
  for (const [title, job, over] of rows) it(title, () => assert.equal(isOver(job), over));
});
