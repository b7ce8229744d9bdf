import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withTransitions } from '../../src/decide/conditions.ts';
import { cut } from '../../src/decide/cut.ts';
import { decide } from '../../src/decide/decide.ts';
import { catalogOf } from '../gen/catalog.ts';
import {
  ANSWERS,
  at,
  conditionLines,
  conditionOf,
  endedJob,
  endingOf,
  hashOf,
  NOW,
  type ObservationAbout,
  observation,
  pendingJob,
  runningJob,
  seenRecord,
  servingJob,
  silentFor,
} from '../gen/observation.ts';

const statusOf = (about: ObservationAbout) => decide(observation(about)).status;
const serving = servingJob();
const records = [seenRecord()];

describe('a status', () => {
  it('tells what people should know of the way to SLURM although it answers', () => {
    const notices = { credentialsEndMs: NOW + 900_000, cannotWarn: true } as const;
    const slurm = { known: true, value: { askedAtMs: NOW, jobs: [serving], notices } } as const;
    assert.deepEqual(
      conditionOf(statusOf({ status: { records }, slurm }), 'SlurmReachable')?.message,
      [
        'SLURM answers',
        `its token ends at ${at(900)}: renew it before`,
        'this version of slurmrestd cannot warn jobs before their time runs out, SLURM’s own commands can',
      ].join('; '),
    );
  });

  it('tells all there is of a replica that serves and one that waits', () => {
    const queued = pendingJob({ replica: 1, reason: 'Resources', expectedStartMs: NOW + 600_000 });
    assert.deepEqual(
      statusOf({
        spec: { replicas: 2 },
        status: { records: [seenRecord(), seenRecord({ replica: 1, jobId: '102' })] },
        jobs: [serving, queued],
        probes: [[serving, ANSWERS]],
      }),
      {
        observedGeneration: 1,
        phase: 'Degraded',
        model: 'hf://org/model',
        replicas: 2,
        readyReplicas: 1,
        updatedReplicas: 2,
        selector: 'vllm-slurm.dev/name=chat',
        url: 'http://10.0.0.1:20000',
        endpoints: [
          {
            replica: 0,
            url: 'http://10.0.0.1:20000',
            node: 'node001',
            port: 20_000,
            jobId: '101',
            role: 'Serving',
            ready: true,
            since: at(0),
          },
        ],
        jobs: [
          {
            replica: 0,
            attempt: 1,
            jobId: '101',
            state: 'RUNNING',
            partition: 'gpu',
            nodes: ['node001'],
            submitTime: at(-120),
            startTime: at(-60),
            log: '/logs/vllm.default.chat.r0.a1-101.log',
          },
          {
            replica: 1,
            attempt: 1,
            jobId: '102',
            state: 'PENDING',
            reason: 'Resources',
            explanation: 'The nodes and GPUs it asks for are in use; it starts when they are free.',
            partition: 'gpu',
            submitTime: at(-120),
            expectedStartTime: at(600),
            log: '/logs/vllm.default.chat.r1.a1-102.log',
          },
        ],
        records: [seenRecord(), seenRecord({ replica: 1, jobId: '102' })],
        restarts: 0,
        conditions: [
          {
            type: 'Ready',
            status: 'False',
            reason: 'Queued',
            message:
              '1 of 2 replicas answer; replica 1: job 102 is queued (Resources): The nodes and GPUs it asks for are in use; it starts when they are free.',
            lastTransitionTime: at(0),
            observedGeneration: 1,
          },
          {
            type: 'Reconciling',
            status: 'True',
            reason: 'Queued',
            message:
              '1 of 2 replicas answer; replica 1: job 102 is queued (Resources): The nodes and GPUs it asks for are in use; it starts when they are free.',
            lastTransitionTime: at(0),
            observedGeneration: 1,
          },
          {
            type: 'Available',
            status: 'True',
            reason: 'EndpointAnswers',
            message: '1 of 2 replicas answer',
            lastTransitionTime: at(0),
            observedGeneration: 1,
          },
          {
            type: 'Scheduled',
            status: 'False',
            reason: 'NotAllocated',
            message: '1 of 2 replicas have an allocation',
            lastTransitionTime: at(0),
            observedGeneration: 1,
          },
          {
            type: 'ModelLoaded',
            status: 'False',
            reason: 'NotLoaded',
            message: '1 of 2 replicas have loaded the model',
            lastTransitionTime: at(0),
            observedGeneration: 1,
          },
          {
            type: 'SlurmReachable',
            status: 'True',
            reason: 'Answering',
            message: 'SLURM answers',
            lastTransitionTime: at(0),
            observedGeneration: 1,
          },
        ],
      },
    );
  });

  const lines: readonly (readonly [
    title: string,
    about: ObservationAbout,
    phase: string,
    conditions: readonly string[],
  ])[] = [
    [
      'of what serves has neither Reconciling nor Stalled',
      { status: { records }, jobs: [serving], probes: [[serving, ANSWERS]] },
      'Running',
      [
        'Ready=True Ready',
        'Available=True EndpointAnswers',
        'Scheduled=True Allocated',
        'ModelLoaded=True Loaded',
        'SlurmReachable=True Answering',
      ],
    ],
    [
      'of what cannot go on has Stalled and not Reconciling',
      {
        status: { records },
        jobs: [endedJob({ state: 'OUT_OF_MEMORY' })],
        endings: [[endedJob({ state: 'OUT_OF_MEMORY' }), endingOf(endedJob({ state: 'OUT_OF_MEMORY' }))]],
      },
      'Stalled',
      [
        'Ready=False OutOfMemory',
        'Stalled=True OutOfMemory',
        'Available=False NoEndpoint',
        'Scheduled=False NotAllocated',
        'ModelLoaded=False NotLoaded',
        'SlurmReachable=True Answering',
      ],
    ],
    [
      'of no replicas is ready, and says why',
      { spec: { replicas: 0 } },
      'Running',
      [
        'Ready=True ScaledToZero',
        'Available=False NoEndpoint',
        'Scheduled=False NoReplicas',
        'ModelLoaded=False NoReplicas',
        'SlurmReachable=True Answering',
      ],
    ],
    [
      'of what is suspended is not ready, and not on the way',
      { spec: { suspend: true } },
      'Suspended',
      [
        'Ready=False Suspended',
        'Available=False NoEndpoint',
        'Scheduled=False NoReplicas',
        'ModelLoaded=False NoReplicas',
        'SlurmReachable=True Answering',
      ],
    ],
    [
      'of a bad edit keeps the endpoint of the last good one, and says what is wrong',
      {
        generation: 2,
        specGeneration: 1,
        problems: [{ field: 'spec.replicas', message: 'must be a number' }],
        status: { records },
        jobs: [serving],
        probes: [[serving, ANSWERS]],
      },
      'Running',
      [
        'Ready=False InvalidSpec',
        'Stalled=True InvalidSpec',
        'Available=True EndpointAnswers',
        'Scheduled=True Allocated',
        'ModelLoaded=True Loaded',
        'SlurmReachable=True Answering',
      ],
    ],
  ];
  for (const [title, about, phase, conditions] of lines) {
    it(title, () => {
      const status = statusOf(about);
      assert.deepEqual([status.phase, conditionLines(status)], [phase, conditions]);
    });
  }

  it('of what never was good keeps what is on record, and nothing is done', () => {
    const bad = { ...observation({ status: { records, restarts: 2 } }).resource, spec: undefined };
    const plan = decide(
      observation({ resource: { ...bad, problems: [{ field: 'spec.model', message: 'is required' }] } }),
    );
    assert.deepEqual(
      [plan.actions, plan.status.phase, plan.status.records, plan.status.restarts, plan.requeueAfterMs],
      [[], 'Invalid', records, 2, undefined],
    );
    assert.equal(conditionOf(plan.status, 'Ready')?.message, 'spec.model: is required');
  });

  it('counts a replica once, however many jobs of it live', () => {
    const { replicas } = statusOf({
      status: { records },
      jobs: [serving, pendingJob({ id: '102', submitMs: NOW - 1_000 })],
      probes: [[serving, ANSWERS]],
    });
    assert.equal(replicas, 1);
  });

  it('does not lay one replica’s failure at another’s door', () => {
    const lastFailure = { reason: 'OutOfMemory', message: 'job 7: too small', replica: 1, attempt: 3, time: at(-60) };
    const held = seenRecord({ settledAttempt: 1, held: { reason: 'OutOfMemory', generation: 1 } });
    const status = statusOf({ status: { records: [held], lastFailure } });
    assert.deepEqual(
      [conditionOf(status, 'Ready')?.message, conditionOf(status, 'Stalled')?.message],
      [
        '0 of 1 replicas answer; replica 0: given up (OutOfMemory) until the spec changes',
        'replica 0: given up (OutOfMemory) until the spec changes',
      ],
    );
  });

  it('keeps the address people were given for as long as it answers', () => {
    const other = servingJob({ replica: 1, nodes: ['node002'], says: 'phase=ready|node=node002|port=20001' });
    const about = {
      spec: { replicas: 2 },
      status: { records: [seenRecord(), seenRecord({ replica: 1, jobId: '102' })], url: 'http://10.0.0.2:20001' },
      jobs: [serving, other],
    };
    const both = statusOf({
      ...about,
      probes: [
        [serving, ANSWERS],
        [other, ANSWERS],
      ],
    });
    const one = statusOf({
      ...about,
      probes: [
        [serving, ANSWERS],
        [other, silentFor(60, 4)],
      ],
    });
    assert.deepEqual([both.url, one.url], ['http://10.0.0.2:20001', 'http://10.0.0.1:20000']);
  });

  it('calls an endpoint Serving from its first answer on, ready or not', () => {
    const roles = [undefined, ANSWERS, silentFor(60, 4)].map(
      (memory) =>
        statusOf({
          status: { records },
          jobs: [runningJob({ says: 'phase=loading|node=node001|port=20000' })],
          probes: memory ? [[serving, memory]] : [],
        }).endpoints?.[0],
    );
    assert.deepEqual(
      roles.map((endpoint) => [endpoint?.role, endpoint?.ready]),
      [
        ['Warming', false],
        ['Serving', true],
        ['Warming', false],
      ],
    );
    const fellSilent = statusOf({
      status: { records, endpoints: [{ ...(roles[1] as NonNullable<(typeof roles)[1]>) }] },
      jobs: [runningJob({ says: 'phase=loading|node=node001|port=20000' })],
      probes: [[serving, silentFor(60, 4)]],
    }).endpoints;
    assert.deepEqual(
      fellSilent?.map(({ role, ready, since }) => [role, ready, since]),
      [['Serving', false, at(0)]],
    );
  });

  it('follows the scheduler’s guess of a start by more than five minutes only, and keeps one that may still come true', () => {
    const guess = (expectedStartMs: number | undefined, before = 600) =>
      statusOf({
        status: {
          records,
          jobs: [{ replica: 0, attempt: 1, jobId: '101', state: 'PENDING', expectedStartTime: at(before) }],
        },
        jobs: [pendingJob(expectedStartMs === undefined ? {} : { expectedStartMs })],
      }).jobs?.[0]?.expectedStartTime;
    assert.deepEqual([guess(NOW + 601_000), guess(NOW + 899_000), guess(NOW + 900_000)], [at(600), at(600), at(900)]);
    assert.deepEqual([guess(undefined), guess(undefined, -1)], [at(600), undefined]);
  });

  it('counts as updated only replicas whose job comes from the present spec', () => {
    const old = { engine: { seed: 1 } };
    const job = servingJob({ spec: old });
    const { updatedReplicas, readyReplicas, replicas } = statusOf({
      spec: { replicas: 2 },
      status: { records: [seenRecord({ specHash: hashOf(old) }), seenRecord({ replica: 1, jobId: '102' })] },
      jobs: [job, pendingJob({ replica: 1 })],
      probes: [[job, ANSWERS]],
    });
    assert.deepEqual(
      { updatedReplicas, readyReplicas, replicas },
      { updatedReplicas: 1, readyReplicas: 1, replicas: 2 },
    );
  });
});

describe('a condition', () => {
  const before = {
    type: 'Ready',
    status: 'False' as const,
    reason: 'Queued',
    message: 'waits',
    lastTransitionTime: at(-500),
    observedGeneration: 1,
  };
  it('keeps its time while its status stays, whatever else it says', () => {
    const draft = { type: 'Ready', status: 'False' as const, reason: 'Loading', message: 'loads' };
    assert.deepEqual(withTransitions([draft], [before], 2, NOW), [
      { ...draft, lastTransitionTime: at(-500), observedGeneration: 2 },
    ]);
  });

  it('takes a new time when its status turns, or when it is new', () => {
    const draft = { type: 'Ready', status: 'True' as const, reason: 'Ready', message: 'answers' };
    const turned = { ...draft, lastTransitionTime: at(0), observedGeneration: 1 };
    assert.deepEqual(withTransitions([draft], [before], 1, NOW), [turned]);
    assert.deepEqual(withTransitions([draft], [], 1, NOW), [turned]);
  });
});

describe('a text too long', () => {
  it('is cut with a sign, and halves no character', () => {
    assert.deepEqual([cut('abc', 3), cut('abcd', 3), cut('a😀bc', 3), cut('', 0)], ['abc', 'ab…', 'a…', '']);
  });
});

describe('a model that will not fit its GPUs', () => {
  const site = { ...observation({}).site, catalog: catalogOf({ big: {} }), hardware: { gpuMemoryGiB: 24 } };
  const spec = { model: { uri: 'hf://org/big' } };

  it('is said from before the first submission, which is made all the same', () => {
    const { actions, status } = decide({ ...observation({ spec }), site });
    assert.deepEqual(
      actions.flatMap((action) => (action.kind === 'submit' ? [action.name] : [])),
      ['vllm.default.chat.r0.a1'],
    );
    const fits = conditionOf(status, 'ModelFits');
    assert.deepEqual([fits?.status, fits?.reason], ['False', 'TooSmall']);
    assert.match(fits?.message ?? '', /^spec\.resources: the weights take 37\.3 GiB of each GPU/);
  });

  it('is a condition only while it is so', () => {
    const { status } = decide({ ...observation({ spec }), site: { ...site, hardware: { gpuMemoryGiB: 80 } } });
    assert.equal(conditionOf(status, 'ModelFits'), undefined);
  });
});
