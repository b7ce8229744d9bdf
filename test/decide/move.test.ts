import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../src/decide/decide.ts';
import type { Whereabouts } from '../../src/decide/observation.ts';
import { AMONG, observation, resource, SILENT, seenRecord, servingJob } from '../gen/observation.ts';

const elsewhere = { slurm: { cluster: 'jura' } };
const about = (status: Parameters<typeof resource>[0], more: Partial<Whereabouts> = {}) => ({
  resource: resource({ spec: elsewhere, ...status }),
  facts: { whereabouts: { ...AMONG, ...more } },
});

describe('a deployment that asks for another cluster', () => {
  it('ends its job here first, and nothing else', () => {
    const status = { cluster: 'alps', records: [seenRecord()] };
    const { actions } = decide(observation({ ...about({ status }), jobs: [servingJob()] }));
    assert.deepEqual(
      actions.map((action) => (action.kind === 'cancel' ? [action.kind, action.why] : [action.kind])),
      [['claim'], ['cancel', 'the deployment moves to cluster jura']],
    );
  });

  it('is handed over once nothing lives here: attempts are numbered on, what was held against nodes and jobs is gone', () => {
    const excludedNodes = [{ name: 'node001', reason: 'NodeFailed', until: '2026-03-05T00:00:00Z' }];
    const status = { cluster: 'alps', records: [seenRecord({ attempt: 3, settledAttempt: 3 })], excludedNodes };
    const plan = decide(observation(about({ status })));
    const { cluster, records, endpoints, jobs } = plan.status;
    assert.deepEqual(
      { actions: plan.actions, cluster, records, endpoints, jobs, excluded: plan.status.excludedNodes },
      {
        actions: [],
        cluster: 'jura',
        records: [{ replica: 0, attempt: 3, settledAttempt: 3, failures: [] }],
        endpoints: [],
        jobs: [],
        excluded: undefined,
      },
    );
  });

  it('is not handed over while this cluster cannot be asked, unless nothing was ever claimed for it', () => {
    const claimed = decide(
      observation({ ...about({ status: { cluster: 'alps', records: [seenRecord()] } }), slurm: SILENT }),
    );
    const fresh = decide(observation({ ...about({}), slurm: SILENT }));
    assert.deepEqual([claimed.status.cluster, fresh.status.cluster], ['alps', 'jura']);
  });

  it('is recorded where its jobs are found, even while it is being deleted', () => {
    const { status, actions } = decide(observation(about({ deletingSinceMs: 1 }, { foundOn: 'jura' })));
    assert.deepEqual([status, actions], [{ cluster: 'jura' }, []]);
  });
});
