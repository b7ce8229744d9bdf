import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Status } from '../../src/api/status.ts';
import { decide } from '../../src/decide/decide.ts';
import {
  ANSWERS,
  at,
  conditionLines,
  conditionOf,
  endedJob,
  NOW,
  observation,
  pendingJob,
  SILENT,
  servingJob,
  silentFor,
} from '../gen/observation.ts';

const job = servingJob();
/** The status of one replica that serves. */
const SERVING: Status = decide(observation({ jobs: [job], probes: [[job, ANSWERS]] })).status;
const hold = (about: Parameters<typeof observation>[0]) =>
  decide(observation({ slurm: SILENT, status: SERVING, ...about }));

describe('while SLURM is silent', () => {
  it('an endpoint that answers stays published, and nothing else moves', () => {
    const plan = hold({ now: NOW + 30_000, probes: [[job, { ...ANSWERS, lastOkMs: NOW + 29_000 }]] });
    const { conditions, ...rest } = plan.status;
    const { conditions: before, ...restBefore } = SERVING;
    assert.deepEqual(plan.actions, []);
    assert.equal(plan.requeueAfterMs, 10_000);
    assert.deepEqual(rest, restBefore);
    assert.deepEqual(conditionLines(plan.status), [
      'Ready=True Ready',
      'Available=True EndpointAnswers',
      'SlurmReachable=False SlurmUnreachable',
      'Scheduled=True Allocated',
      'ModelLoaded=True Loaded',
    ]);
    assert.deepEqual(
      [conditionOf({ conditions }, 'Ready'), conditionOf({ conditions }, 'SlurmReachable')].map((one) => [
        one?.message,
        one?.lastTransitionTime,
      ]),
      [
        ['1 of 1 replicas answer; nothing is changed while SLURM cannot be believed', at(0)],
        ['connect failure; jobs are left as they are, asking again', at(30)],
      ],
    );
    assert.equal(before?.length, 5);
  });

  it('an endpoint that falls silent is taken out of the routes, and its job is left alone', () => {
    const plan = hold({ probes: [[job, silentFor(9_000, 99)]] });
    assert.deepEqual(plan.actions, []);
    assert.deepEqual(
      [plan.status.url, plan.status.readyReplicas, plan.status.phase, plan.status.endpoints],
      [
        undefined,
        0,
        'Unknown',
        [
          {
            replica: 0,
            url: 'http://10.0.0.1:20000',
            node: 'node001',
            port: 20_000,
            jobId: '101',
            role: 'Serving',
            ready: false,
            since: at(0),
          },
        ],
      ],
    );
  });

  it('the second look says what the first said', () => {
    const first = hold({ probes: [[job, ANSWERS]] }).status;
    const second = hold({ now: NOW + 10_000, status: first, probes: [[job, { ...ANSWERS, lastOkMs: NOW + 9_000 }]] });
    assert.deepEqual(second.status, first);
  });

  it('an edit is not called observed, nor the old endpoint ready for it', () => {
    const { status } = hold({ generation: 2, spec: { engine: { seed: 1 } }, probes: [[job, ANSWERS]] });
    assert.deepEqual(
      [status.observedGeneration, conditionOf(status, 'Ready')?.status, conditionOf(status, 'Available')?.status],
      [1, 'False', 'True'],
    );
  });

  it('an edit that is no good is told all the same', () => {
    const { status } = hold({
      generation: 2,
      specGeneration: 1,
      problems: [{ field: 'spec.replicas', message: 'must be a number', file: 'chat.yaml', line: 7 }],
      probes: [[job, ANSWERS]],
    });
    assert.deepEqual(
      [conditionOf(status, 'Ready'), conditionOf(status, 'Stalled')].map((one) => [
        one?.status,
        one?.reason,
        one?.message,
      ]),
      [
        [
          'False',
          'InvalidSpec',
          'chat.yaml:7: spec.replicas: must be a number; generation 1 is kept until this is corrected',
        ],
        ['True', 'InvalidSpec', 'chat.yaml:7: spec.replicas: must be a number'],
      ],
    );
  });

  it('a deployment that was never reconciled says that nothing is known and nothing was done', () => {
    const plan = hold({ status: {} });
    const { conditions, ...rest } = plan.status;
    assert.deepEqual(plan.actions, []);
    assert.deepEqual(rest, { model: 'hf://org/model', phase: 'Unknown', readyReplicas: 0, endpoints: [] });
    assert.deepEqual(conditionLines({ conditions }), [
      'Ready=False SlurmUnreachable',
      'Available=False NoEndpoint',
      'SlurmReachable=False SlurmUnreachable',
    ]);
  });

  it('what wants nothing stays what it was', () => {
    for (const spec of [{ replicas: 0 }, { suspend: true }]) {
      const before = decide(observation({ spec })).status;
      const { status } = hold({ spec, status: before });
      assert.deepEqual([status.phase, conditionOf(status, 'Ready')], [before.phase, conditionOf(before, 'Ready')]);
    }
  });

  it('what waits is not called reconciling once all replicas answer', () => {
    const warming = decide(observation({ jobs: [job] })).status;
    assert.equal(conditionOf(warming, 'Reconciling')?.status, 'True');
    const { status } = hold({ status: warming, probes: [[job, ANSWERS]] });
    assert.deepEqual([conditionOf(status, 'Ready')?.status, conditionOf(status, 'Reconciling')], ['True', undefined]);
  });
});

describe('while the listing is not believed', () => {
  it('nothing is concluded from it, whatever it shows or lacks', () => {
    const facts = { viewSuspect: true };
    for (const jobs of [[], [endedJob()], [pendingJob({ id: '900', attempt: 9 })]]) {
      const plan = decide(observation({ status: SERVING, jobs, facts, probes: [[job, ANSWERS]] }));
      assert.deepEqual(plan.actions, []);
      assert.deepEqual(plan.status.records, SERVING.records);
      assert.equal(
        conditionLines(plan.status).find((line) => line.startsWith('SlurmReachable')),
        'SlurmReachable=False SlurmViewSuspect',
      );
    }
  });
});
