import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FORCE_RELEASE_ANNOTATION } from '../../src/api/resource.ts';
import { Status } from '../../src/api/status.ts';
import { decide } from '../../src/decide/decide.ts';
import {
  atMs,
  completingJob,
  conditionLines,
  conditionOf,
  endedJob,
  NOW,
  type ObservationAbout,
  observation,
  pendingJob,
  record,
  SILENT,
  seenRecord,
  servingJob,
} from '../gen/observation.ts';
import { actionsOf } from './outline.ts';

const force = { [FORCE_RELEASE_ANNOTATION]: 'true' };

describe('a deployment that is deleted', () => {
  const rows: readonly (readonly [
    title: string,
    about: ObservationAbout,
    plan: {
      readonly actions: readonly string[];
      readonly message: string | undefined;
      readonly requeueAfterMs: number | undefined;
    },
  ])[] = [
    [
      'without jobs is let go',
      { status: { records: [seenRecord()] } },
      { actions: ['releaseFinalizer'], message: undefined, requeueAfterMs: 10_000 },
    ],
    [
      'has its jobs cancelled first, all of them',
      { jobs: [servingJob(), pendingJob({ replica: 1 }), endedJob({ replica: 2 })] },
      {
        actions: ['cancel 101: the deployment was deleted', 'cancel 102: the deployment was deleted'],
        message: 'waiting for 2 jobs (101, 102) to end',
        requeueAfterMs: 10_000,
      },
    ],
    [
      'waits for a job that is ending already, without cancelling it again',
      { jobs: [completingJob({ says: 'phase=ended|code=0' })] },
      { actions: [], message: 'waiting for job 101 to end', requeueAfterMs: 10_000 },
    ],
    [
      'waits out a submission that may still land',
      { status: { records: [record({ submitTime: atMs(-5), doubtUntil: atMs(30) })] } },
      {
        actions: [],
        message: 'a submission may still arrive until 2026-03-04T12:00:30Z',
        requeueAfterMs: 40_000,
      },
    ],
    [
      'waits for a job that was acknowledged and is not listed yet: a listing may be older than it says',
      { status: { records: [record({ jobId: '101', submitTime: atMs(-5), doubtUntil: atMs(-1) })] } },
      {
        actions: [],
        message: 'a submission may still arrive until 2026-03-04T12:00:55Z',
        requeueAfterMs: 65_000,
      },
    ],
    [
      'does not wait for a job that is listed as ended',
      {
        jobs: [{ ...servingJob(), phase: 'ended', state: 'CANCELLED', endMs: NOW - 1_000 }],
        status: { records: [record({ jobId: '101', submitTime: atMs(-10) })] },
      },
      { actions: ['releaseFinalizer'], message: undefined, requeueAfterMs: 10_000 },
    ],
    [
      'waits while SLURM is silent',
      { slurm: SILENT },
      {
        actions: [],
        message: 'SLURM does not answer (connect failure); its jobs cannot be ended',
        requeueAfterMs: 10_000,
      },
    ],
    [
      'waits while the listing is not believed',
      { facts: { viewSuspect: true } },
      {
        actions: [],
        message: 'more jobs vanished from the listing at once than can be believed',
        requeueAfterMs: 10_000,
      },
    ],
    [
      'is let go by force although SLURM is gone',
      { slurm: SILENT, annotations: force },
      { actions: ['releaseFinalizer'], message: undefined, requeueAfterMs: 10_000 },
    ],
    [
      'and was never ours to hold is left alone',
      { finalizers: [], jobs: [servingJob()] },
      { actions: [], message: undefined, requeueAfterMs: undefined },
    ],
    [
      'although its spec was never good has its jobs cancelled',
      { jobs: [servingJob()], problems: [{ field: 'spec', message: 'bad' }] },
      {
        actions: ['cancel 101: the deployment was deleted'],
        message: 'waiting for job 101 to end',
        requeueAfterMs: 10_000,
      },
    ],
    [
      'and suspended is deleted all the same',
      { spec: { suspend: true }, jobs: [pendingJob()] },
      {
        actions: ['cancel 101: the deployment was deleted'],
        message: 'waiting for job 101 to end',
        requeueAfterMs: 10_000,
      },
    ],
  ];
  for (const [title, about, plan] of rows) {
    it(title, () => {
      const decided = decide(observation({ ...about, deletingSinceMs: NOW - 5_000 }));
      assert.deepEqual(
        {
          actions: actionsOf(decided),
          message: conditionOf(decided.status, 'Ready')?.message,
          requeueAfterMs: decided.requeueAfterMs,
        },
        plan,
      );
    });
  }

  it('publishes no endpoint any more', () => {
    const endpoint = {
      replica: 0,
      url: 'http://10.0.0.1:20000',
      node: 'node001',
      port: 20_000,
      jobId: '101',
      role: 'Serving' as const,
      ready: true,
      since: '2026-03-04T11:00:00Z',
    };
    const status = { url: endpoint.url, endpoints: [endpoint], readyReplicas: 1, phase: 'Running' as const };
    const decided = decide(observation({ deletingSinceMs: NOW, status, jobs: [servingJob()] }));
    const { conditions, ...rest } = decided.status;
    assert.deepEqual(rest, { observedGeneration: 1, phase: 'Deleting', readyReplicas: 0, endpoints: [] });
    assert.deepEqual(conditionLines({ conditions }), [
      'Ready=False Deleting',
      'Reconciling=True Deleting',
      'Available=False Deleting',
      'SlurmReachable=True Answering',
    ]);
  });

  it('can tell of as many jobs as there may be', () => {
    const jobs = Array.from({ length: 512 }, (_, replica) =>
      pendingJob({ replica, id: String(123_456_789 + replica) }),
    );
    const { status } = decide(observation({ deletingSinceMs: NOW, jobs }));
    assert.deepEqual(Status.parse(status), status);
    assert.match(conditionOf(status, 'Ready')?.message ?? '', /^waiting for 512 jobs \(123456789, .*…$/);
  });
});
