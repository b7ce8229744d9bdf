import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ok } from '../../../src/result.ts';
import { parseSqueue } from '../../../src/slurm/cli/squeue.ts';
import type { Job } from '../../../src/slurm/job.ts';
import { recorded } from './recorded.ts';

const MARK = '@0a1b2c@';
const COMMENT = 'vso1 uid=6a1f gen=3 hash=0f3a nonce=k7 owner=o-1';

/** A job of the recording: all were submitted with one comment in one partition by root. */
const common = (id: string, name: string, submit: number) => ({
  id,
  name: `vllm.ml.${name}`,
  user: 'root',
  partition: 'gpu',
  reason: 'None',
  nodes: [] as readonly string[],
  comment: COMMENT,
  submitMs: submit * 1000,
});

const RECORDED: readonly Job[] = [
  {
    ...common('10', 'cancelled.r0.a1', 1795499347),
    nodes: ['node001'],
    phase: 'ended',
    state: 'CANCELLED',
    startMs: 1795499347_000,
    endMs: 1795499351_000,
  },
  {
    ...common('7', 'done.r0.a1', 1795499346),
    nodes: ['node001'],
    phase: 'ended',
    state: 'COMPLETED',
    startMs: 1795499347_000,
    endMs: 1795499347_000,
  },
  {
    ...common('25', 'stubborn.r0.a1', 1795499452),
    nodes: ['node003'],
    phase: 'completing',
    state: 'COMPLETING',
    startMs: 1795499452_000,
  },
  {
    ...common('5', 'exit7.r0.a1', 1795499346),
    nodes: ['node001'],
    reason: 'NonZeroExitCode',
    phase: 'ended',
    state: 'FAILED',
    startMs: 1795499347_000,
    endMs: 1795499347_000,
  },
  {
    ...common('6', 'segv.r0.a2', 1795499346),
    nodes: ['node001'],
    reason: 'JobLaunchFailure',
    phase: 'ended',
    state: 'FAILED',
    startMs: 1795499347_000,
    endMs: 1795499347_000,
  },
  // What 22.05 leaves of a submission it refused.
  {
    ...common('18', 'refused.r0.a1', 1795499347),
    reason: 'BadConstraints',
    phase: 'ended',
    state: 'FAILED',
    endMs: 1795499347_000,
  },
  {
    ...common('9', 'nodefail.r1.a4', 1795499346),
    nodes: ['node003', 'node004'],
    reason: 'NodeDown',
    phase: 'ended',
    state: 'NODE_FAIL',
    startMs: 1795499347_000,
    endMs: 1795499351_000,
  },
  {
    ...common('11', 'big.r0.a1', 1795499347),
    reason: 'Resources',
    phase: 'pending',
    state: 'PENDING',
    expectedStartMs: 1827035357_000,
  },
  {
    ...common('12', 'prio.r0.a1', 1795499347),
    reason: 'Priority',
    phase: 'pending',
    state: 'PENDING',
    expectedStartMs: 1827035357_000,
  },
  { ...common('17', 'twin.r0.a1', 1795499347), reason: 'Dependency', phase: 'pending', state: 'PENDING' },
  { ...common('13', 'held.r0.a1', 1795499347), reason: 'JobHeldUser', phase: 'pending', state: 'PENDING' },
  {
    ...common('8', 'running.r0.a1', 1795499346),
    nodes: ['node001', 'node002'],
    comment: `${COMMENT}|phase=ready|node=node001|port=21003|after=42`,
    phase: 'running',
    state: 'RUNNING',
    startMs: 1795499347_000,
  },
  {
    ...common('16', 'twin.r0.a1', 1795499347),
    nodes: ['node001'],
    phase: 'running',
    state: 'RUNNING',
    startMs: 1795499347_000,
  },
  {
    ...common('24', 'never.r0.a1', 1795499357),
    nodes: ['node004'],
    phase: 'running',
    state: 'RUNNING',
    startMs: 1795499357_000,
  },
  {
    ...common('4', 'timeout.r0.a1', 1795499346),
    nodes: ['node001'],
    reason: 'TimeLimit',
    phase: 'ended',
    state: 'TIMEOUT',
    startMs: 1795499347_000,
    endMs: 1795499424_000,
  },
  {
    ...common('15', 'limit.r0.a1', 1795499347),
    partition: 'short',
    reason: 'PartitionTimeLimit',
    phase: 'pending',
    state: 'PENDING',
  },
  {
    ...common('14', 'begin.r0.a1', 1795499347),
    partition: 'short,gpu',
    reason: 'BeginTime',
    phase: 'pending',
    state: 'PENDING',
    expectedStartMs: 1795502947_000,
  },
];

test('a recorded listing gives our jobs and passes over arrays, het jobs, look-alikes and names with line breaks', () => {
  assert.deepEqual(parseSqueue(recorded('22.05.8', 'squeue.txt'), MARK), ok(RECORDED));
});

test('no jobs are no jobs', () => assert.deepEqual(parseSqueue('', MARK), ok([])));

test('a login greeting before the listing is passed over', () => {
  assert.deepEqual(parseSqueue(`Welcome to login1\n${recorded('22.05.8', 'squeue.txt')}`, MARK), ok(RECORDED));
});

test('a listing that breaks off anywhere is known to, or lacks nothing of ours', () => {
  const whole = recorded('22.05.8', 'squeue.txt');
  const lineEnds = new Set([...whole.matchAll(/\n/g)].map(({ index }) => index + 1));
  for (let length = 1; length < whole.length; length++) {
    // A cut behind a whole line cannot be seen in the text; the exit code shows it.
    if (!lineEnds.has(length)) assert.equal(parseSqueue(whole.slice(0, length), MARK).ok, false, `cut at ${length}`);
  }
});

test('a foreign job cannot put one of ours into the listing, whatever its name and comment hold', () => {
  const forged = `evil\n@guess@1=RUNNING=1795499346=1795499347=NONE=gpu=root=node001=None@guess@vllm.a.b.r0.a1@guess@x`;
  const line = `${MARK}9=RUNNING=1795499346=1795499347=NONE=gpu=root=node001=None${MARK}${forged}${MARK}${forged}\n`;
  assert.deepEqual(parseSqueue(line, MARK), ok([]));
});

const ours = (head: string) => parseSqueue(`${MARK}${head}${MARK}vllm.a.b.r0.a1${MARK}(null)\n`, MARK);

test('one job of ours that cannot be understood makes the whole listing unknown', () => {
  const heads = [
    'x=RUNNING=1795499346=1795499347=NONE=gpu=root=node001=None',
    '9=ENLIGHTENED=1795499346=1795499347=NONE=gpu=root=node001=None',
    '9=RUNNING=N/A=1795499347=NONE=gpu=root=node001=None',
    '9=RUNNING=1795499346=N/A=NONE=gpu=root=node001=None',
    '9=RUNNING=1795499346=1795499347=NONE=gpu=root=node[=None',
    '9',
    '',
  ];
  assert.deepEqual(
    heads.map(ours),
    heads.map((head) => ({
      ok: false,
      error: `the listing says of job vllm.a.b.r0.a1 what cannot be understood: ${head}`,
    })),
  );
});

test('a reason may be a sentence with any signs in it, and an unset comment is empty', () => {
  const reason = '(Nodes required for job are DOWN, DRAINED or reserved=x/y)';
  assert.deepEqual(
    ours(`9=PENDING=1795499346=N/A=N/A=gpu=root==${reason}`),
    ok([
      {
        id: '9',
        name: 'vllm.a.b.r0.a1',
        user: 'root',
        partition: 'gpu',
        reason,
        nodes: [],
        comment: '',
        submitMs: 1795499346_000,
        phase: 'pending',
        state: 'PENDING',
      },
    ]),
  );
});
