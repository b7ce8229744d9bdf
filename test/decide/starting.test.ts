import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../src/decide/decide.ts';
import { stageOf } from '../../src/decide/starting.ts';
import { conditionOf, observation, runningJob, seenRecord } from '../gen/observation.ts';

const NODES = ['node001', 'node002'];
const rows: readonly (readonly [says: string | undefined, reason: string, message: string])[] = [
  [undefined, 'Launching', 'job 101 on node001,node002 prepares its start'],
  ['phase=starting', 'Launching', 'job 101 on node001,node002 prepares its start'],
  ['phase=rendezvous', 'Rendezvous', 'job 101 on node001,node002 waits until all its nodes have met'],
  ['phase=loading', 'Loading', 'job 101 on node001,node002 loads the model'],
  ['phase=loading|shards=3/15', 'Loading', 'job 101 on node001,node002 loads the model (3/15 files of weights)'],
  ['phase=compiling', 'Compiling', 'job 101 on node001,node002 compiles the model'],
  ['phase=warming', 'Warming', 'job 101 on node001,node002 has loaded the model, and its first token is awaited'],
  ['phase=ready', 'Warming', 'job 101 on node001,node002 says that it is ready, and has not answered here yet'],
  ['phase=nonsense', 'Launching', 'job 101 on node001,node002 prepares its start'],
];

describe('what a starting job is at', () => {
  for (const [says, reason, message] of rows) {
    const job = runningJob({ nodes: NODES, ...(says !== undefined && { says }) });
    it(`is ${reason} where it says ${says ?? 'nothing'}`, () => assert.deepEqual(stageOf(job), { reason, message }));
    it(`stands in the Ready condition: ${reason} of ${says ?? 'nothing'}`, () => {
      const { status } = decide(observation({ status: { records: [seenRecord()] }, jobs: [job] }));
      const ready = conditionOf(status, 'Ready');
      assert.deepEqual(
        { reason: ready?.reason, message: ready?.message },
        { reason, message: `0 of 1 replicas answer; replica 0: ${message}` },
      );
    });
  }
});
