import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Status } from '../../src/api/status.ts';
import { decide } from '../../src/decide/decide.ts';
import type { OwnJob, Whereabouts } from '../../src/decide/observation.ts';
import {
  AMONG,
  conditionOf,
  type JobAbout,
  NOW,
  observation,
  pendingJob,
  resource,
  seenRecord,
  servingJob,
} from '../gen/observation.ts';
import { actionsOf } from './outline.ts';

const FAST = { cluster: 'alps', partitions: ['fast'] };
const LARGE = { cluster: 'alps', partitions: ['large'] };
const JURA = { cluster: 'jura' };
const spec = { slurm: { places: [FAST, LARGE, JURA] } };
const queued = (waitedMs: number, about: JobAbout & { readonly expectedStartMs?: number } = {}) =>
  pendingJob({ spec, submitMs: NOW - waitedMs, ...about });

const left = (place: typeof FAST, more: Partial<NonNullable<Status['triedPlaces']>[number]> = {}) => ({
  ...place,
  why: 'job 7 has waited 600 s',
  ...more,
});

function turn(jobs: readonly OwnJob[], status: Status = {}, whereabouts: Partial<Whereabouts> = {}) {
  const records = jobs.map(({ id, identity }) =>
    seenRecord({
      ...{ replica: identity.replica, attempt: identity.attempt, jobId: id, specHash: identity.specHash },
      partitions: status.place === undefined ? FAST.partitions : (status.place.partitions ?? []),
    }),
  );
  const plan = decide(
    observation({
      resource: resource({
        spec: { ...spec, replicas: Math.max(1, jobs.length) },
        status: { cluster: 'alps', place: FAST, records, ...status },
      }),
      jobs,
      facts: { whereabouts: { ...AMONG, ...whereabouts } },
    }),
  );
  const { place, triedPlaces = [] } = plan.status;
  return { place, tried: triedPlaces.map(({ why }) => why), actions: actionsOf(plan), plan };
}

describe('where a queued deployment waits', () => {
  it('goes on when the wait is over, with the job of before ended first', () => {
    const { place, tried, actions, plan } = turn([queued(600_000)]);
    assert.deepEqual(
      { place, tried, actions },
      {
        place: LARGE,
        tried: ['job 101 has waited 600 s (Priority)'],
        actions: ['claim', 'cancel 101: another place is tried'],
      },
    );
    assert.match(conditionOf(plan.status, 'Ready')?.message ?? '', /job 101 was submitted for another place/);
  });

  it('waits on before, and is looked at again for the guess of the scheduler', () => {
    const { place, tried, actions, plan } = turn([queued(580_000)]);
    assert.deepEqual([place, tried, actions, plan.requeueAfterMs], [FAST, [], [], 20_000]);
    assert.equal(turn([queued(60_000)]).plan.requeueAfterMs, 30_000);
  });

  it('goes on as soon as SLURM expects a later start, and remembers the guess', () => {
    const { place, tried, plan } = turn([queued(5_000, { expectedStartMs: NOW + 3_600_000 })]);
    assert.deepEqual(
      [place, tried, plan.status.triedPlaces?.[0]?.expectedStartTime],
      [LARGE, ['job 101 is not expected to start within 600 s (Priority)'], '2026-03-04T13:00:00Z'],
    );
    assert.deepEqual(turn([queued(5_000, { expectedStartMs: NOW + 300_000 })]).place, FAST);
  });

  it('goes on when waiting would never end', () => {
    assert.deepEqual(turn([queued(61_000, { reason: 'PartitionDown' })]).tried, [
      'job 101 would wait for ever (PartitionDown)',
    ]);
    assert.deepEqual(turn([queued(30_000, { reason: 'PartitionDown' })]).tried, []);
  });

  it('waits with a replica that may start in time, and stays with one that runs', () => {
    const late = queued(700_000);
    const early = queued(10_000, { id: '102', replica: 1 });
    assert.deepEqual(turn([late, early]).place, FAST);
    assert.deepEqual(turn([late, servingJob({ id: '102', replica: 1, spec })]).place, FAST);
  });

  it('stays with one that started before it could leave', () => {
    const status = { place: JURA, triedPlaces: [left(FAST), left(LARGE)] };
    const deaf = { clusters: new Map([...AMONG.clusters, ['jura', false]]) };
    const records = [seenRecord({ partitions: ['fast'] })];
    const waits = turn([queued(700_000)], { ...status, records }, deaf);
    assert.deepEqual([waits.place, waits.actions], [JURA, []]);
    const started = turn([servingJob({ spec })], { ...status, records });
    assert.deepEqual([started.place, started.tried, started.actions], [FAST, [], []]);
  });

  it('passes over a cluster that does not answer, and goes there once it does', () => {
    const status = { place: LARGE, triedPlaces: [left(FAST)] };
    const deaf = { clusters: new Map([...AMONG.clusters, ['jura', false]]) };
    const stays = turn([queued(700_000)], status, deaf);
    assert.deepEqual([stays.place, stays.tried.length], [FAST, 2]);
    const again = turn([queued(1_000)], { place: FAST, triedPlaces: [left(FAST), left(LARGE)] });
    assert.deepEqual([again.place, again.tried.length], [FAST, 2]);
    const later = turn([queued(700_000)], { place: FAST, triedPlaces: [left(FAST), left(LARGE)] });
    assert.deepEqual([later.place, later.tried.length], [JURA, 2]);
  });

  it('ends where SLURM expects the earliest start, last of all where it took no job', () => {
    const guessed = (time: string) => ({ expectedStartTime: `2026-03-04T${time}:00Z` });
    const end = (fast: object, large: object) =>
      turn([queued(700_000, { expectedStartMs: Date.UTC(2026, 2, 4, 15) })], {
        place: LARGE,
        triedPlaces: [left(FAST, fast), { ...JURA, why: 'job 9 has waited 600 s', ...large }],
      }).place;
    assert.deepEqual(end(guessed('14:00'), {}), FAST);
    assert.deepEqual(end(guessed('16:00'), guessed('14:30')), JURA);
    assert.deepEqual(end({ refused: true }, {}), LARGE);
    assert.deepEqual(end({}, {}), LARGE);
  });

  it('leaves a place where SLURM takes no job, and asks for it at the next at once', () => {
    const record = { ...seenRecord(), retryTime: '2026-03-04T12:10:00Z', retryReason: 'SubmissionRejected' };
    const { jobId: _, ...refused } = record;
    const { place, actions, plan } = turn([], { records: [{ ...refused, settledAttempt: 0 }] });
    assert.deepEqual([place, plan.status.triedPlaces?.[0]?.refused], [LARGE, true]);
    assert.deepEqual(actions, ['claim', 'submit vllm.default.chat.r0.a1']);
    assert.deepEqual(plan.status.records?.[0]?.partitions, ['large']);
  });

  it('tells of an unknown cluster in the list before anything is submitted', () => {
    const { plan } = turn([], {}, { clusters: new Map([['alps', true]]) });
    assert.equal(
      conditionOf(plan.status, 'Stalled')?.message,
      'replica 0: attempt 1 is not submitted as nobody knows where: spec.slurm.places[2].cluster: there is no cluster jura; there is alps',
    );
  });
});

describe('a place once nothing runs', () => {
  const ended = { place: JURA, records: [seenRecord({ attempt: 2, settledAttempt: 2, partitions: [] })] };

  it('is the first again, for the next attempt', () => {
    const { place, actions, plan } = turn([], { ...ended, place: LARGE });
    assert.deepEqual(
      [place, plan.status.cluster, actions],
      [FAST, 'alps', ['claim', 'submit vllm.default.chat.r0.a3']],
    );
  });

  it('is not left while an attempt may still land there', () => {
    const out = seenRecord({ attempt: 3, settledAttempt: 2, doubtUntil: '2026-03-04T12:01:00Z' });
    assert.deepEqual(turn([], { place: LARGE, records: [out] }).place, LARGE);
  });

  it('is kept by what was given up until the spec changes', () => {
    const held = { ...ended.records[0], replica: 0, attempt: 2, settledAttempt: 2, failures: [] };
    const { place } = turn([], {
      place: LARGE,
      records: [{ ...held, held: { reason: 'OutOfMemory', generation: 1 } }],
    });
    assert.deepEqual(place, LARGE);
  });
});
