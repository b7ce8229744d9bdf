import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../src/decide/decide.ts';
import type { Observation, OwnJob, SecretProblem } from '../../src/decide/observation.ts';
import type { ProbeMemory } from '../../src/probe/prober.ts';
import {
  ANSWERS,
  conditionOf,
  hashOf,
  observation,
  pendingJob,
  seenRecord,
  servingJob,
  silentFor,
} from '../gen/observation.ts';
import { actionsOf } from './outline.ts';

const OLD = { engine: { seed: 1 } };
const SILENT = silentFor(60, 4);
const DEAD = silentFor(90, 6);

const serving = (replica: number, spec = {}) => servingJob({ replica, spec });
const recordOf = ({ id, identity }: OwnJob) =>
  seenRecord({ replica: identity.replica, jobId: id, specHash: identity.specHash });

/** Jobs of three replicas with what their endpoints answer; undefined: never asked. */
function plan(
  jobs: readonly (readonly [OwnJob, ProbeMemory | undefined])[],
  networkSuspect = false,
  secretProblems: readonly SecretProblem[] = [],
  tenancy: Observation['tenancy'] = new Map(),
) {
  return decide(
    observation({
      generation: 2,
      spec: { replicas: 3 },
      status: { records: jobs.map(([job]) => recordOf(job)) },
      jobs: jobs.map(([job]) => job),
      probes: jobs.flatMap(([job, memory]) => (memory ? [[job, memory] as const] : [])),
      facts: { networkSuspect, secretProblems, tenancy },
    }),
  );
}

describe('a new spec', () => {
  it('replaces one serving replica while all serve', () => {
    const { status, ...rest } = plan([
      [serving(0, OLD), ANSWERS],
      [serving(1, OLD), ANSWERS],
      [serving(2, OLD), ANSWERS],
    ]);
    assert.deepEqual(actionsOf({ status, ...rest }), ['claim', 'cancel 101: the spec has changed']);
    assert.deepEqual(
      [status.readyReplicas, status.updatedReplicas, status.phase, conditionOf(status, 'Ready')?.message],
      [2, 0, 'Degraded', '2 of 3 replicas answer; replica 0: job 101 comes from an older spec and is replaced'],
    );
  });

  it('replaces no further one while a replacement does not serve', () => {
    const starting = pendingJob({ replica: 0, attempt: 2 });
    const jobs = [starting, serving(1, OLD), serving(2, OLD)];
    assert.deepEqual(actionsOf(plan(jobs.map((job) => [job, ANSWERS]))), []);
  });

  it('replaces the next one when the replacement serves', () => {
    const replacement = servingJob({ replica: 0, attempt: 2 });
    const jobs = [replacement, serving(1, OLD), serving(2, OLD)];
    assert.deepEqual(actionsOf(plan(jobs.map((job) => [job, ANSWERS]))), ['claim', 'cancel 102: the spec has changed']);
  });

  it('replaces nothing while a secret it needs cannot be read, and says so', () => {
    const jobs = [serving(0, OLD), serving(1, OLD), pendingJob({ replica: 2, spec: OLD })];
    const lacking = { kind: 'missing', field: 'spec.endpoint.apiKeyFrom', message: 'there is no KEY' } as const;
    const all = plan(
      jobs.map((job) => [job, ANSWERS]),
      false,
      [lacking],
    );
    assert.deepEqual([actionsOf(all), all.requeueAfterMs], [[], 30_000]);
    const served = [serving(0, OLD), serving(1, OLD), serving(2, OLD)];
    const { status } = plan(
      served.map((job) => [job, ANSWERS]),
      false,
      [lacking],
    );
    assert.equal(conditionOf(status, 'Ready')?.reason, 'SecretMissing');
    assert.match(
      conditionOf(status, 'Ready')?.message ?? '',
      /an older spec; it is kept until the new one can be given what it needs: spec\.endpoint\.apiKeyFrom: there is no KEY/,
    );
  });

  it('that its namespace may not ask for replaces nothing: Stalled, and the one before serves on', () => {
    const served = [serving(0, OLD), serving(1, OLD), serving(2, OLD)];
    const tenancy = new Map([['alps', { rules: [{ namespaces: ['default'], maxReplicas: 2 }], presets: new Map() }]]);
    const forbidden = plan(
      served.map((job) => [job, ANSWERS]),
      false,
      [],
      tenancy,
    );
    const { status } = forbidden;
    assert.deepEqual([actionsOf(forbidden), status.readyReplicas], [[], 3]);
    const message =
      'replica 0: job 101 answers (an older spec; it is kept until the new one is allowed: spec.replicas: must be at most 2)';
    assert.deepEqual(
      ['Ready', 'Stalled', 'Reconciling'].map((type) => {
        const condition = conditionOf(status, type);
        return condition && `${condition.status} ${condition.reason}: ${condition.message}`;
      }),
      [`False NotAllowed: 3 of 3 replicas answer; ${message}`, `True NotAllowed: ${message}`, undefined],
    );
  });

  it('replaces at once what does not serve yet', () => {
    assert.deepEqual(
      actionsOf(
        plan([
          [pendingJob({ replica: 0, spec: OLD }), undefined],
          [serving(1, OLD), ANSWERS],
          [pendingJob({ replica: 2, spec: OLD }), undefined],
        ]),
      ),
      ['claim', 'cancel 101: the spec has changed', 'cancel 103: the spec has changed'],
    );
  });

  it('replaces none for a silence of all: it may be ours', () => {
    const silent = [serving(0, OLD), serving(1, OLD), serving(2, OLD)].map((job) => [job, SILENT] as const);
    assert.deepEqual(actionsOf(plan(silent)), []);
    const dead = silent.map(([job]) => [job, DEAD] as const);
    assert.deepEqual(actionsOf(plan(dead, true)), []);
  });

  it('cancels once the replica that is given up anyway', () => {
    assert.deepEqual(
      actionsOf(
        plan([
          [serving(0, OLD), DEAD],
          [serving(1, OLD), ANSWERS],
          [serving(2, OLD), ANSWERS],
        ]),
      ),
      [
        'claim',
        'cancel 101: job 101: the endpoint stopped answering although SLURM calls the job running (connect ECONNREFUSED)',
      ],
    );
  });

  it('is not ready while a replica of the old one serves', () => {
    const { status } = plan([
      [servingJob({ replica: 0, attempt: 2 }), ANSWERS],
      [servingJob({ replica: 1, attempt: 2 }), ANSWERS],
      [serving(2, OLD), SILENT],
    ]);
    assert.equal(conditionOf(status, 'Ready')?.status, 'False');
  });

  it('leaves an endpoint in use whose port it forbids, until its turn comes', () => {
    const job = serving(0);
    const status = {
      observedGeneration: 1,
      records: [recordOf(job)],
      endpoints: [
        {
          replica: 0,
          url: 'http://10.0.0.1:20000',
          node: 'node001',
          port: 20_000,
          jobId: '101',
          role: 'Serving' as const,
          ready: true,
          since: '2026-03-04T11:00:00Z',
        },
      ],
    };
    const spec = { endpoint: { port: 9_000 }, replicas: 2 };
    const seen = observation({ generation: 2, spec, status, jobs: [job], probes: [[job, ANSWERS]] });
    const { actions, status: after } = decide(seen);
    assert.notEqual(hashOf(spec), hashOf());
    assert.deepEqual(after.endpoints, status.endpoints);
    assert.deepEqual(
      actions.filter((action) => action.kind === 'cancel'),
      [],
    );
  });
});
