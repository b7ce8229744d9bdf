import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../src/decide/decide.ts';
import { endingsWanted, historyWanted, targetsWanted } from '../../src/decide/questions.ts';
import {
  ANSWERS,
  completingJob,
  endedJob,
  NOW,
  observation,
  pendingJob,
  record,
  resource,
  runningJob,
  seenRecord,
  servingJob,
} from '../gen/observation.ts';

const view = (...jobs: readonly ReturnType<typeof pendingJob>[]) => ({ askedAtMs: NOW, jobs });
const { site, nodeAddresses } = observation();

describe('SLURM is asked how a job ended', () => {
  it('when its attempt is not judged yet, and of no other', () => {
    const records = [seenRecord({ attempt: 2, settledAttempt: 1 })];
    const jobs = [
      endedJob({ id: '1', attempt: 1 }),
      endedJob({ id: '2', attempt: 2 }),
      completingJob({ id: '3', attempt: 2, says: 'phase=failed|code=69' }),
      completingJob({ id: '4', attempt: 2 }),
      runningJob({ id: '5', attempt: 2 }),
      endedJob({ id: '6', replica: 1 }),
    ];
    const wanted = endingsWanted(resource({ status: { records } }), view(...jobs));
    assert.deepEqual(
      wanted.map((job) => job.id),
      ['2', '3', '6'],
    );
  });
});

describe('accounting is asked', () => {
  const rows: readonly (readonly [
    title: string,
    about: Partial<ReturnType<typeof record>>,
    jobs: readonly ReturnType<typeof pendingJob>[],
    asked: ReturnType<typeof historyWanted>,
  ])[] = [
    [
      'of a job acknowledged and not listed, since its submission',
      { jobId: '101' },
      [],
      [{ name: 'vllm.default.chat.r0.a1', jobId: '101', submittedMs: NOW - 120_000 }],
    ],
    ['of none that is listed', { jobId: '101' }, [endedJob()], []],
    ['of none whose fate is unknown: it has no id', {}, [], []],
    ['of none that was judged', { jobId: '101', settledAttempt: 1 }, [], []],
  ];
  for (const [title, about, jobs, asked] of rows) {
    it(title, () => {
      assert.deepEqual(historyWanted(resource({ status: { records: [record(about)] } }), view(...jobs)), asked);
    });
  }

  it('since the birth of the resource where the submission’s time is lost', () => {
    const { submitTime: _, ...lost } = record({ jobId: '101' });
    const asked = historyWanted(resource({ status: { records: [lost] } }), view());
    assert.deepEqual(
      asked.map((one) => one.submittedMs),
      [resource().createdMs],
    );
  });
});

describe('an endpoint is probed', () => {
  const targets = (about: Parameters<typeof resource>[0], ...jobs: readonly ReturnType<typeof pendingJob>[]) =>
    targetsWanted(resource(about), jobs, { nodeAddresses, site });

  it('by the settings of the spec, under a name only this job serves', () => {
    const spec = { probes: { liveness: { periodSeconds: 5, timeoutSeconds: 2 } } };
    assert.deepEqual(targets({ spec }, servingJob({ spec }), pendingJob({ replica: 1 }), runningJob({ replica: 2 })), [
      {
        id: `101@${NOW - 120_000}`,
        url: 'http://10.0.0.1:20000',
        ownModelName: 'vllm-slurm--job-101',
        periodMs: 5_000,
        timeoutMs: 2_000,
        key: 'none',
      },
    ]);
  });

  it('under the same name after an edit of the model’s', () => {
    const renamed = { model: { uri: 'hf://org/model', name: 'other' } };
    assert.deepEqual(targets({ spec: renamed }, servingJob({ spec: renamed })), targets({}, servingJob()));
  });

  it('with the key of its own attempt, where the spec names one or the job comes from a spec that may have', () => {
    const keyed = { endpoint: { apiKeyFrom: { env: 'KEY' } } };
    const file = 'vllm.default.chat.r0.a4.uid-1.api-key';
    const keys = (spec: object, made: object) =>
      targets({ spec }, servingJob({ attempt: 4, spec: made })).map(({ key }) => key);
    assert.deepEqual(
      [keys(keyed, keyed), keys({}, keyed), keys(keyed, {}), keys({}, {})],
      [[{ file, certain: true }], [{ file, certain: false }], [{ file, certain: false }], ['none']],
    );
  });

  it('by what is on record while SLURM has not been heard, under the name the listing will have for it', () => {
    const { status } = decide(observation({ jobs: [servingJob()], probes: [[servingJob(), ANSWERS]] }));
    assert.equal(status.endpoints?.length, 1);
    const unheard = targetsWanted(resource({ status }), undefined, { nodeAddresses: new Map(), site });
    assert.deepEqual(unheard, targets({}, servingJob()));
    const keyed = resource({ status, spec: { endpoint: { apiKeyFrom: { env: 'KEY' } } } });
    assert.deepEqual(
      targetsWanted(keyed, undefined, { nodeAddresses, site }).map(({ key }) => key),
      [{ file: 'vllm.default.chat.r0.a1.uid-1.api-key', certain: false }],
    );
    const { jobs: _, ...half } = status;
    assert.deepEqual(targetsWanted(resource({ status: half }), undefined, { nodeAddresses, site }), []);
  });

  it('not when its claim does not hold, nor for a resource that goes or never was good', () => {
    assert.deepEqual(targets({}, runningJob({ says: 'node=node009|port=20000' })), []);
    assert.deepEqual(targets({ deletingSinceMs: NOW }, servingJob()), []);
    assert.deepEqual(targetsWanted({ ...resource(), spec: undefined }, [servingJob()], { nodeAddresses, site }), []);
  });
});
