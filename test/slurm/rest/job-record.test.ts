import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AccountedJob, JobRecord, readAccounted, readEnding, readJob } from '../../../src/slurm/rest/job-record.ts';
import { job, VERSIONS } from './recorded.ts';

/** Times differ from recording to recording: what stays is told. */
function shape(value: object | undefined) {
  if (!value) return undefined;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, /Ms$/.test(key) ? Number.isInteger(one) && one > 1e12 : one]),
  );
}

for (const version of VERSIONS) {
  describe(`jobs as slurmrestd ${version} tells them`, () => {
    const read = (name: string) => JobRecord.parse(job(version, `job-${name}`));
    const oldest = version === '22.05.8';

    it('runs: nodes expanded, no end', () => {
      const seen = readJob(read('running-2node'));
      assert.deepEqual(
        { ...shape(seen), nodes: seen?.nodes.length, comment: seen?.comment !== '' },
        {
          id: '8',
          name: 'vllm-llama-70b-r0',
          user: 'vllm',
          partition: 'gpu',
          reason: 'None',
          nodes: 2,
          comment: true,
          submitMs: true,
          phase: 'running',
          state: 'RUNNING',
          startMs: true,
        },
      );
      assert.equal(readEnding(read('running-2node')), undefined);
    });

    it('waits: the long text for a reason, and no nodes', () => {
      const seen = readJob(read('pending-resources'));
      assert.deepEqual(
        [seen?.phase, seen?.state, seen?.nodes, /^(Resources|Nodes required)/.test(seen?.reason ?? '')],
        ['pending', 'PENDING', [], true],
      );
    });

    it('is COMPLETING, however it ended, while it holds its nodes', () => {
      const seen = readJob(read('completing'));
      assert.deepEqual([seen?.phase, seen?.state, seen?.nodes], ['completing', 'COMPLETING', ['node001', 'node002']]);
      assert.equal(readEnding(read('completing')), undefined);
    });

    it('ended with an exit code', () => {
      const { name, state, exitCode, signal, reason, failedNodes } = readEnding(read('failed-exit7')) ?? {};
      assert.deepEqual(
        [name, state, exitCode, signal, reason, failedNodes],
        ['vllm-exit7', 'FAILED', 7, 0, 'NonZeroExitCode', []],
      );
      const accounted = readAccounted(AccountedJob.parse(job(version, 'accounted-failed-exit7')));
      assert.ok(accounted && accounted !== 'unread');
      // 22.05 says 0 of every job there.
      assert.deepEqual([accounted.name, accounted.state, accounted.exitCode], ['vllm-exit7', 'FAILED', oldest ? 0 : 7]);
    });

    it('lost a node, which later versions name', () => {
      const ending = readEnding(read('node-fail-norequeue'));
      assert.deepEqual(
        [ending?.state, ending?.reason, ending?.nodes, ending?.failedNodes],
        ['NODE_FAIL', 'NodeDown', ['node002', 'node004'], oldest ? [] : ['node004']],
      );
      const accounted = readAccounted(AccountedJob.parse(job(version, 'accounted-node-fail-norequeue')));
      assert.ok(accounted && accounted !== 'unread');
      assert.deepEqual([accounted.state, accounted.failedNodes], ['NODE_FAIL', oldest ? [] : ['node004']]);
    });

    it('is alive by accounting’s word', () => {
      assert.equal(readAccounted(AccountedJob.parse(job(version, 'accounted-running-2node'))), undefined);
    });
  });
}

describe('a job that cannot be understood', () => {
  const known = JobRecord.parse(job('26.05.5', 'job-running-2node'));
  for (const [what, change] of [
    ['an unknown state', { job_state: ['LEVITATING'] }],
    ['no state', { job_state: [] }],
    ['nodes that are no list', { nodes: 'node[1' }],
    ['no submit time', { submit_time: undefined }],
    ['no start although it runs', { start_time: undefined }],
  ] as const) {
    it(`has ${what}`, () => assert.equal(readJob({ ...known, ...change } as JobRecord), undefined));
  }
});
