import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Status } from '../../src/api/status.ts';
import { decide } from '../../src/decide/decide.ts';
import type { Observation, OwnJob } from '../../src/decide/observation.ts';
import type { Outcome, Plan } from '../../src/decide/plan.ts';
import { settle } from '../../src/decide/settle.ts';
import { ok } from '../../src/result.ts';
import {
  ANSWERS,
  completingJob,
  endedJob,
  endingOf,
  NOW,
  observation,
  pendingJob,
  runningJob,
  SILENT,
  servingJob,
  silentFor,
} from '../gen/observation.ts';

const WORDS = fc.string({ unit: 'binary', maxLength: 6_000 });
const OLD = { engine: { seed: 1 } };

/** A job of a small deployment in any state, of any attempt, of the present spec or an older one. */
const jobs = fc.array(
  fc
    .record({
      kind: fc.constantFrom('pending', 'forever', 'running', 'serving', 'completing', 'spoke', 'ended'),
      id: fc.integer({ min: 1, max: 99_999_999 }).map(String),
      replica: fc.nat(2),
      attempt: fc.integer({ min: 1, max: 3 }),
      spec: fc.constantFrom({}, OLD),
      state: fc.constantFrom('FAILED', 'COMPLETED', 'CANCELLED', 'TIMEOUT', 'NODE_FAIL', 'OUT_OF_MEMORY' as const),
    })
    .map(({ kind, state, ...about }): OwnJob => {
      switch (kind) {
        case 'pending':
          return pendingJob(about);
        case 'forever':
          return pendingJob({ ...about, reason: 'ReqNodeNotAvail, UnavailableNodes:node004' });
        case 'running':
          return runningJob(about);
        case 'serving':
          return servingJob(about);
        case 'completing':
          return completingJob(about);
        case 'spoke':
          return completingJob({ ...about, says: 'phase=failed|class=hang|code=69' });
        default:
          return endedJob({ ...about, state: state as 'FAILED' });
      }
    }),
  { maxLength: 6 },
);
const memories = fc.constantFrom(undefined, ANSWERS, silentFor(50, 3), silentFor(900, 60));

const observations = fc
  .record({
    jobs,
    memories: fc.infiniteStream(memories),
    replicas: fc.nat(3),
    suspend: fc.boolean(),
    spec: fc.constantFrom({}, OLD),
    silent: fc.boolean(),
  })
  .map(({ jobs, memories, replicas, suspend, spec, silent }): Observation => {
    const own = [...new Map(jobs.map((job) => [job.id, job])).values()];
    return observation({
      generation: 2,
      spec: { ...spec, replicas, suspend },
      jobs: own,
      ...(silent && { slurm: SILENT }),
      endings: own.flatMap((job) => (job.phase === 'ended' ? [[job, endingOf(job)] as const] : [])),
      probes: own.flatMap((job) => {
        const memory = memories.next().value;
        return memory && job.phase === 'running' ? [[job, memory] as const] : [];
      }),
    });
  });

/** One turn, each action of which goes well. */
function turn(seen: Observation): { readonly plan: Plan; readonly status: Status } {
  const plan = decide(seen);
  const outcomes = plan.actions.map((action): Outcome => {
    if (action.kind === 'submit') return { action, result: ok('4711') };
    return action.kind === 'cancel' ? { action, result: ok(undefined) } : { action, result: ok(undefined) };
  });
  return { plan, status: settle(seen, plan, outcomes, seen.now + 1_000).status };
}

const after = (seen: Observation, status: Status, ms: number): Observation => ({
  ...seen,
  now: seen.now + ms,
  resource: { ...seen.resource, status },
});

describe('when nothing changes', () => {
  it('the second turn does nothing that the first did not do, and the third writes nothing', () => {
    fc.assert(
      fc.property(observations, (seen) => {
        const first = turn(seen);
        const second = turn(after(seen, first.status, 1));
        const third = turn(after(seen, second.status, 2));
        const submits = second.plan.actions.filter((action) => action.kind === 'submit');
        assert.deepEqual(submits, []);
        assert.deepEqual(third.status, second.status);
        // A cancel is repeated until a listing agrees; nothing is claimed for it a second time.
        assert.deepEqual(
          third.plan.actions.filter((action) => action.kind !== 'cancel'),
          [],
        );
      }),
      { numRuns: 500 },
    );
  });

  it('a transition moves only with its status', () => {
    fc.assert(
      fc.property(observations, observations, (seen, other) => {
        const first = turn(seen).status;
        const second = turn({ ...after(other, first, 5_000) }).status;
        for (const condition of second.conditions ?? []) {
          const before = first.conditions?.find((one) => one.type === condition.type);
          if (before?.status === condition.status)
            assert.equal(condition.lastTransitionTime, before.lastTransitionTime, condition.type);
        }
      }),
    );
  });
});

describe('a plan', () => {
  it('submits at most one attempt a slot, none while suspended, and cancels no job twice', () => {
    fc.assert(
      fc.property(observations, (seen) => {
        const { actions } = decide(seen);
        const submits = actions.flatMap((action) => (action.kind === 'submit' ? [action] : []));
        const cancels = actions.flatMap((action) => (action.kind === 'cancel' ? [action.job.id] : []));
        const { spec } = seen.resource;
        assert.equal(new Set(submits.map((one) => one.replica)).size, submits.length);
        assert.equal(new Set(cancels).size, cancels.length);
        assert.ok(submits.length <= (spec?.suspend ? 0 : (spec?.replicas ?? 0)));
        if (submits.length > 0) assert.equal(actions[0]?.kind, 'claim');
        if (!seen.slurm.known) assert.deepEqual(actions, []);
        if (!seen.slurm.known) return;
        const live = seen.slurm.value.jobs.filter((job) => job.phase === 'pending' || job.phase === 'running');
        // An attempt is submitted only where no job of its slot lives any more.
        for (const submit of submits) assert.ok(!live.some((job) => job.identity.replica === submit.replica));
      }),
      { numRuns: 500 },
    );
  });

  it('never waits for nobody: what is not ready is looked at again, or Slurm or a person has the word', () => {
    fc.assert(
      fc.property(observations, (seen) => {
        const { plan } = turn(seen);
        if (plan.requeueAfterMs !== undefined) return;
        const waiting = new Set(
          (seen.slurm.known ? seen.slurm.value.jobs : []).flatMap((job) =>
            job.phase === 'pending' || job.phase === 'completing' ? [job.identity.replica] : [],
          ),
        );
        const records = (plan.status.records ?? []).filter((one) => !one.retired);
        for (const one of records) assert.ok(one.held !== undefined || waiting.has(one.replica), JSON.stringify(one));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a status can always be written', () => {
  it('whatever SLURM, the jobs and the person say', () => {
    fc.assert(
      fc.property(WORDS, WORDS, fc.array(fc.string({ maxLength: 250 }), { maxLength: 90 }), (reason, words, nodes) => {
        const queued = pendingJob({ reason, partition: words });
        const died = endedJob({ replica: 1, reason, nodes });
        const held = runningJob({ replica: 2, nodes });
        const seen = observation({
          spec: { replicas: 3 },
          jobs: [queued, died, held],
          endings: [[died, endingOf(died, { reason, logTail: words, nodes })]],
          problems: [{ field: words.slice(0, 3_000), message: reason, file: words.slice(0, 1_000) }],
        });
        const plans = [
          seen,
          {
            ...seen,
            slurm: { known: false as const, why: { kind: 'unknown' as const, message: words }, sinceMs: NOW },
          },
        ].map((one) => decide(one).status);
        for (const status of plans) assert.deepEqual(Status.parse(status), status);
      }),
      { numRuns: 50 },
    );
  });
});
