import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../src/decide/decide.ts';
import type { OwnJob, SubmitsAs } from '../../src/decide/observation.ts';
import { settle } from '../../src/decide/settle.ts';
import { concludesFromAbsence, hiddenJob, isOfUser, usersKnown } from '../../src/decide/users.ts';
import { err, ok } from '../../src/result.ts';
import {
  ANSWERS,
  at,
  atMs,
  conditionLines,
  conditionOf,
  endedJob,
  endingOf,
  NOW,
  type ObservationAbout,
  observation,
  pendingJob,
  type ResourceAbout,
  record,
  resource,
  runningJob,
  seenRecord,
  servingJob,
} from '../gen/observation.ts';

const ALICE: SubmitsAs = { kind: 'user', user: 'alice', source: 'Secret default/slurm' };
const BOB: SubmitsAs = { kind: 'user', user: 'bob', source: 'Secret default/slurm' };
const NOBODY: SubmitsAs = {
  kind: 'nobody',
  problem: { kind: 'missing', message: 'there is no Secret default/slurm; its key token is to hold a token' },
};

const NOTHING = new Map([['alps', { rules: [], presets: new Map() }]]);

/** As the operator's own user `vllm` sees the jobs; those of the builders are alice's. */
function seen(submitsAs: SubmitsAs, { jobs = [], facts, ...about }: ObservationAbout = {}) {
  const view = { askedAtMs: about.askedAtMs ?? NOW - 1_000, jobs, user: 'vllm' };
  return observation({ ...about, slurm: { known: true, value: view }, facts: { submitsAs, ...facts } });
}
const messageOf = (status: ReturnType<typeof decide>['status'], type: string) => conditionOf(status, type)?.message;

describe('a job of a namespace that is somebody to SLURM', () => {
  it('is submitted as that user and no other, who is on record before it is', () => {
    const { actions } = decide(seen(ALICE));
    const [claim, submit] = actions;
    assert.ok(claim?.kind === 'claim' && submit?.kind === 'submit');
    assert.deepEqual([claim.status.users, submit.as], [['alice'], 'alice']);
  });

  it('is the operator’s own where the namespace is nobody in particular', () => {
    const { actions, status } = decide(seen({ kind: 'itself' }));
    const submit = actions.find((action) => action.kind === 'submit');
    assert.deepEqual([submit && 'as' in submit, status.users], [false, undefined]);
  });

  it('is not submitted at all where the namespace has to be somebody, and nobody knows who', () => {
    const { actions, status, requeueAfterMs } = decide(seen(NOBODY));
    assert.deepEqual(actions, []);
    assert.equal(requeueAfterMs, 30_000);
    assert.equal(
      messageOf(status, 'Stalled'),
      'replica 0: attempt 1 is not submitted as SLURM knows its namespace as nobody: there is no Secret default/slurm; its key token is to hold a token',
    );
    assert.equal(conditionOf(status, 'Stalled')?.reason, 'SecretMissing');
  });

  it('waits without being Stalled where the Secret could not be asked for', () => {
    const { actions, status } = decide(
      seen({ kind: 'nobody', problem: { kind: 'unreachable', message: 'no answer' } }),
    );
    assert.deepEqual(actions, []);
    assert.ok(conditionLines(status).includes('Ready=False SecretUnreachable'));
    assert.equal(conditionOf(status, 'Stalled'), undefined);
  });

  it('with a secret is refused in words: its file is the operator’s own user’s alone', () => {
    const spec = { endpoint: { apiKeyFrom: { secretKeyRef: { name: 'key', key: 'key' } } } };
    const { actions, status } = decide(seen(ALICE, { spec }));
    assert.deepEqual(actions, []);
    assert.match(
      messageOf(status, 'Stalled') ?? '',
      /spec\.endpoint\.apiKeyFrom: .* user vllm alone can read, and the job would be alice's; leave the field out/,
    );
    const own = decide(seen({ ...ALICE, user: 'vllm' }, { spec }));
    assert.ok(own.actions.some(({ kind }) => kind === 'submit'));
  });

  it('serves on when the Secret is gone, and the condition says what that will mean', () => {
    const serving = servingJob();
    const before = { status: { records: [seenRecord()], users: ['alice'] }, jobs: [serving] };
    const { actions, status } = decide(seen(NOBODY, { ...before, probes: [[serving, ANSWERS]] }));
    assert.deepEqual(actions, []);
    assert.equal(conditionOf(status, 'Ready')?.status, 'True');
    assert.equal(
      messageOf(status, 'SlurmReachable'),
      [
        'SLURM answers',
        'nothing can be submitted for it: there is no Secret default/slurm; its key token is to hold a token',
        'it has jobs of alice, as whom its namespace is not known now: to end them SLURM must let vllm, as a coordinator of their account or an Operator',
      ].join('; '),
    );
  });

  it('is told of before the token of its user ends', () => {
    const { status } = decide(seen({ ...ALICE, endsMs: NOW + 900_000 }, { jobs: [runningJob()] }));
    assert.equal(
      messageOf(status, 'SlurmReachable'),
      `SLURM answers; the token of alice in Secret default/slurm ends at ${at(900)}: renew it before`,
    );
  });

  it('lives on under the user it was submitted as when the token is another’s: only what comes is the new one’s', () => {
    const serving = servingJob();
    const about = {
      spec: { replicas: 2 },
      status: { records: [seenRecord()], users: ['alice'] },
      jobs: [serving],
      probes: [[serving, ANSWERS]] as const,
    };
    const { actions, status } = decide(seen(BOB, about));
    const submits = actions.flatMap((action) => (action.kind === 'submit' ? [[action.replica, action.as]] : []));
    assert.deepEqual(submits, [[1, 'bob']]);
    assert.deepEqual(status.users, ['alice', 'bob']);
  });

  it('is cancelled under the name of its own user', () => {
    const about = { status: { records: [seenRecord()], users: ['alice'] }, jobs: [runningJob()] };
    for (const plan of [
      decide(seen(BOB, { ...about, deletingSinceMs: NOW })),
      decide(seen(BOB, { ...about, spec: { suspend: true } })),
    ]) {
      const cancel = plan.actions.find((action) => action.kind === 'cancel');
      assert.deepEqual(cancel?.kind === 'cancel' && cancel.job, {
        id: '101',
        name: 'vllm.default.chat.r0.a1',
        user: 'alice',
        submitMs: NOW - 120_000,
      });
    }
  });
});

describe('users on record', () => {
  const usersOf = (submitsAs: SubmitsAs, about: ObservationAbout) => decide(seen(submitsAs, about)).status.users;
  const users = ['alice'];

  it('stay while a job of theirs lives, whoever the namespace is by now', () => {
    const status = { records: [seenRecord()], users };
    assert.deepEqual(usersOf(BOB, { status, jobs: [runningJob()] }), users);
    assert.deepEqual(usersOf({ kind: 'itself' }, { status, jobs: [pendingJob()] }), users);
  });

  it('stay while a submission of theirs may still land, or its job is missing', () => {
    const inDoubt = { records: [record({ doubtUntil: atMs(60) })], users };
    assert.deepEqual(usersOf(BOB, { status: inDoubt }), users);
    assert.deepEqual(usersOf(BOB, { status: { records: [seenRecord()], users } }), users);
  });

  it('stay until it is known how their job ended', () => {
    const ended = endedJob();
    const about = { status: { records: [seenRecord()], users }, jobs: [ended] };
    assert.deepEqual(usersOf(BOB, about), users);
    assert.deepEqual(
      usersOf(BOB, { ...about, endings: [[ended, endingOf(ended)]], facts: { tenancy: NOTHING } }),
      undefined,
    );
  });

  it('go with their last job', () => {
    const status = { records: [seenRecord({ settledAttempt: 1, retired: true })], users };
    assert.equal(usersOf(BOB, { spec: { suspend: true }, status, jobs: [endedJob()] }), undefined);
  });

  it('never have the operator’s own', () => {
    const job = runningJob({ user: 'vllm' });
    assert.equal(usersOf(BOB, { status: { records: [seenRecord()] }, jobs: [job] }), undefined);
  });

  it('are the same after a submission that was answered, refused or lost', () => {
    const plan = decide(seen(ALICE));
    const action = plan.actions.find(({ kind }) => kind === 'submit');
    assert.ok(action?.kind === 'submit');
    for (const result of [
      ok('7'),
      err({ kind: 'rejected', message: 'no' } as const),
      err({ kind: 'unknown', message: 'late' } as const),
    ])
      assert.deepEqual(settle(seen(ALICE), plan, [{ action, result }], NOW).status.users, ['alice']);
  });
});

describe('whose jobs are a deployment’s', () => {
  it('is not said by a name and a marker, which anybody can copy', () => {
    const known = usersKnown(resource({ status: { users: ['alice'] } }), BOB);
    const mine = (user: string) => isOfUser({ user }, 'vllm', known);
    assert.deepEqual(['vllm', 'alice', 'bob', 'mallory'].map(mine), [true, true, true, false]);
    assert.equal(isOfUser({ user: 'whoever' }, undefined, []), true, 'no other user’s are listed');
  });
});

describe('what a listing lacks', () => {
  const view = (...jobs: readonly OwnJob[]) => ({ askedAtMs: NOW, jobs, user: 'vllm' });
  const rows: readonly (readonly [string, ResourceAbout, readonly OwnJob[], boolean])[] = [
    ['concludes nothing while each replica has its job', {}, [runningJob()], false],
    ['is all there is for a new one', {}, [], true],
    ['matters for a second replica', { spec: { replicas: 2 } }, [runningJob()], true],
    ['matters for a job that ended', {}, [endedJob()], true],
    [
      'matters where a surplus job stands for a missing one',
      { status: { records: [record()] } },
      [runningJob({ replica: 3 })],
      true,
    ],
    ['is awaited right after a submission', { status: { records: [record({ submitTime: atMs(1) })] } }, [], false],
    ['is nothing to one that is suspended', { spec: { suspend: true } }, [], false],
    ['matters to one that goes', { deletingSinceMs: NOW }, [], true],
    ['does not while one that goes has jobs', { deletingSinceMs: NOW }, [runningJob()], false],
  ];
  for (const [title, about, jobs, concludes] of rows)
    it(title, () => assert.equal(concludesFromAbsence(resource(about), view(...jobs)), concludes));

  it('and another user sees was hidden, unless it has ended or may have come just now', () => {
    const job = runningJob();
    const of = (status: object, shown: readonly OwnJob[], theirs: readonly OwnJob[]) =>
      hiddenJob(resource({ status }), view(...shown), theirs)?.id;
    assert.equal(of({}, [], [job]), '101');
    assert.equal(of({}, [job], [job]), undefined);
    assert.equal(of({}, [], [endedJob()]), undefined);
    assert.equal(of({ records: [record({ doubtUntil: atMs(0) })] }, [], [job]), undefined);
  });
});
