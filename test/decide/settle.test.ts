import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../src/decide/decide.ts';
import type { Observation } from '../../src/decide/observation.ts';
import type { Outcome, Plan, SubmitError } from '../../src/decide/plan.ts';
import { settle } from '../../src/decide/settle.ts';
import { err, ok, type Result } from '../../src/result.ts';
import {
  at,
  atMs,
  conditionOf,
  endedJob,
  endingOf,
  hashOf,
  NOW,
  observation,
  pendingJob,
  seenRecord,
} from '../gen/observation.ts';

/** All actions went well but for the submissions, which came to `result`. */
function outcomes(plan: Plan, result: Result<string, SubmitError>): readonly Outcome[] {
  return plan.actions.map((action): Outcome => {
    if (action.kind === 'submit') return { action, result };
    return action.kind === 'cancel' ? { action, result: ok(undefined) } : { action, result: ok(undefined) };
  });
}

/** A turn that submits and takes two seconds to hear of it. */
function settled(seen: Observation, result: Result<string, SubmitError>) {
  const plan = decide(seen);
  return { plan, ...settle(seen, plan, outcomes(plan, result), NOW + 2_000) };
}

const claimed = {
  replica: 0,
  attempt: 1,
  specHash: hashOf(),
  submitTime: atMs(0),
  nonce: 'entropy0',
  settledAttempt: 0,
  failures: [],
};
const refusal = 'Batch job submission failed: Invalid qos specification';

describe('a submission', () => {
  const rows: readonly (readonly [
    title: string,
    result: Result<string, SubmitError>,
    after: {
      readonly records: readonly object[];
      readonly phase: string;
      readonly ready: string;
      readonly requeueAfterMs: number;
    },
  ])[] = [
    [
      'that is acknowledged has its id on record, and must be in every listing asked for later',
      ok('4711'),
      {
        records: [{ ...claimed, jobId: '4711', doubtUntil: atMs(2) }],
        phase: 'Pending',
        ready:
          'False Submitted: 0 of 1 replicas answer; replica 0: attempt 1 is submitted (job 4711); waiting to see it in the queue',
        requeueAfterMs: 10_000,
      },
    ],
    [
      'of unknown fate may land for the doubt window from now',
      err({ kind: 'unknown', message: 'Socket timed out' }),
      {
        records: [{ ...claimed, doubtUntil: atMs(62) }],
        phase: 'Unknown',
        ready:
          'False SubmissionInDoubt: 0 of 1 replicas answer; replica 0: SLURM did not say whether attempt 1 was accepted (Socket timed out); looking for it before it is tried again',
        requeueAfterMs: 10_000,
      },
    ],
    [
      'that never arrived is tried again soon, under the same number',
      err({ kind: 'unreachable', message: 'connect failure' }),
      {
        records: [{ ...claimed, retryTime: atMs(17), retryReason: 'SlurmUnreachable' }],
        phase: 'Failed',
        ready:
          'False SlurmUnreachable: 0 of 1 replicas answer; replica 0: attempt 1 did not reach SLURM (connect failure); it is tried again',
        requeueAfterMs: 10_000,
      },
    ],
    [
      'that is refused is tried again late, under the same number, and says so in sbatch’s words',
      err({ kind: 'rejected', message: refusal }),
      {
        records: [
          {
            ...claimed,
            failures: [{ time: atMs(2), spends: false }],
            retryTime: atMs(657.274),
            retryReason: 'SubmissionRejected',
          },
        ],
        phase: 'Stalled',
        ready: `False SubmissionRejected: 0 of 1 replicas answer; replica 0: attempt 1 is not submitted again before ${atMs(657.274)}: SLURM refused the job (${refusal}); correct the field of spec.slurm or spec.resources that SLURM names; an edit is tried at once`,
        requeueAfterMs: 10_000,
      },
    ],
    [
      'whose secret could not be placed was not made: it is tried again, under the same number, and spends nothing',
      err({ kind: 'notPlaced', message: 'the disk is full' }),
      {
        records: [
          {
            ...claimed,
            failures: [{ time: atMs(2), spends: false }],
            retryTime: atMs(12.921),
            retryReason: 'SecretNotPlaced',
          },
        ],
        phase: 'Failed',
        ready: `False SecretNotPlaced: 0 of 1 replicas answer; replica 0: attempt 1 is not submitted again before ${atMs(12.921)}: a secret could not be written where the job would read it, so the job was not submitted (the disk is full); make the setting secretDirectory a directory that only the operator can write, on a file system the compute nodes share`,
        requeueAfterMs: 10_000,
      },
    ],
  ];
  for (const [title, result, after] of rows) {
    it(title, () => {
      const { status, requeueAfterMs } = settled(observation(), result);
      const ready = conditionOf(status, 'Ready');
      assert.deepEqual(
        {
          records: status.records,
          phase: status.phase,
          ready: `${ready?.status} ${ready?.reason}: ${ready?.message}`,
          requeueAfterMs,
        },
        after,
      );
    });
  }

  it('that follows a failure counts one restart, and tells of one failure, however it went', () => {
    const lost = endedJob({ state: 'NODE_FAIL' });
    const seen = observation({
      status: { records: [seenRecord()], restarts: 3 },
      jobs: [lost],
      endings: [[lost, endingOf(lost)]],
    });
    const went = [
      ok('4711'),
      err({ kind: 'unknown', message: 'timed out' } as const),
      err({ kind: 'rejected', message: refusal } as const),
    ].map((result) => settled(seen, result).status);
    assert.deepEqual(
      went.map(({ restarts, lastFailure }) => [restarts, lastFailure?.reason, lastFailure?.attempt]),
      [
        [4, 'NodeFailed', 1],
        [4, 'NodeFailed', 1],
        [4, 'SubmissionRejected', 2],
      ],
    );
  });

  it('is settled with the transitions its claim wrote', () => {
    const { plan, status } = settled(observation(), ok('4711'));
    assert.deepEqual(
      status.conditions?.map((one) => [one.type, one.status, one.lastTransitionTime]),
      plan.status.conditions?.map((one) => [one.type, one.status, one.lastTransitionTime]),
    );
  });

  it('of one replica does not touch what was concluded for another', () => {
    const queued = pendingJob({ replica: 1 });
    const { plan, status } = settled(
      observation({
        spec: { replicas: 2 },
        status: { records: [seenRecord({ replica: 1, jobId: '102' })] },
        jobs: [queued],
      }),
      err({ kind: 'rejected', message: refusal }),
    );
    assert.deepEqual(status.records?.[1], plan.status.records?.[1]);
    assert.deepEqual(status.jobs, plan.status.jobs);
  });
});

describe('a turn', () => {
  it('whose claim could not be written leaves the status as it is on record', () => {
    const seen = observation({ status: { phase: 'Queued' } });
    const plan = decide(seen);
    const [claim] = plan.actions;
    assert.equal(claim?.kind, 'claim');
    const failed: Outcome[] =
      claim?.kind === 'claim' ? [{ action: claim, result: err({ kind: 'conflict', message: 'written' }) }] : [];
    assert.deepEqual(settle(seen, plan, failed, NOW), { status: { phase: 'Queued' }, requeueAfterMs: 10_000 });
  });

  it('that submits nothing keeps the plan’s status', () => {
    const seen = observation({ status: { records: [seenRecord()] }, jobs: [pendingJob()] });
    const plan = decide(seen);
    assert.deepEqual(settle(seen, plan, [], NOW + 9_000), {
      status: plan.status,
      requeueAfterMs: plan.requeueAfterMs,
    });
  });

  it('makes sure, before all else, that the resource cannot vanish', () => {
    const held = decide(observation({ status: { phase: 'Pending' } }));
    assert.deepEqual(decide(observation({ finalizers: [], status: { phase: 'Pending' } })), {
      ...held,
      actions: [{ kind: 'addFinalizer' }, ...held.actions],
    });
  });

  it('judges an end once: the next turn adds nothing', () => {
    const died = endedJob();
    const first = decide(
      observation({ status: { records: [seenRecord()] }, jobs: [died], endings: [[died, endingOf(died)]] }),
    );
    assert.deepEqual(first.status.lastFailure, {
      reason: 'EngineFailed',
      message: 'job 101: the engine died (FAILED; exit code 1)',
      advice: 'read the log tail',
      replica: 0,
      attempt: 1,
      jobId: '101',
      exitCode: 1,
      time: at(0),
    });
    const second = decide(
      observation({ now: NOW + 1_000, status: first.status, jobs: [died], endings: [[died, endingOf(died)]] }),
    );
    assert.deepEqual(
      [second.status.restarts, second.status.lastFailure, second.status.records],
      [1, first.status.lastFailure, first.status.records],
    );
  });
});
