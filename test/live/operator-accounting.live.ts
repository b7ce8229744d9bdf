import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { jobProcesses } from './operator/processes.ts';
import { attemptOf, jobsOf, liveJobs, queue } from './operator/queue.ts';
import { setStage } from './operator/stage.ts';
import { until } from './operator/until.ts';
import type { Workspace } from './operator/workspace.ts';
import { whyNoBed } from './slurm-bed/bed.ts';

/** What only a cluster with accounting can do to an operator: limits, accounts, and a memory longer than the queue's. */

describe('an operator on SLURM with accounting', { skip: whyNoBed() ?? false, concurrency: 4 }, () => {
  const on = setStage({ accounting: true, nodes: 2, minJobAgeSeconds: 10, messageTimeoutSeconds: 5 });

  /** Ends an operator, lets `end` come over its deployment's job, and starts another when the queue has forgotten it. */
  async function whileAway(desk: Workspace, name: string, end: (jobId: string) => Promise<unknown>): Promise<string> {
    await desk.write(name);
    const operator = await desk.operate();
    const job = await until('a job that says it is ready', async () =>
      (await liveJobs(on.bed, name)).find(({ comment }) => comment.includes('|phase=ready|')),
    );
    await desk.ready(name);
    await operator.stop();
    await end(job.id);
    await until('the purge', async () => (await queue(on.bed)).every(({ id }) => id !== job.id) || undefined);
    return job.id;
  }

  test('a queue that is full for us is waited for, and told in the words of SLURM', async () => {
    const desk = await on.workspace();
    await desk.write('many', { replicas: 2, slurm: { qos: 'tiny' } });
    await desk.operate();
    await desk.shows('many', ({ readyReplicas, lastFailure }) => readyReplicas === 1 && lastFailure !== undefined);
    const row = await desk.row('many');
    assert.deepEqual([row.READY, row.DESIRED, row.PHASE, row.REASON], ['1', '2', 'Degraded', 'SubmitLimitReached']);
    assert.match(
      await desk.tell('describe', 'many'),
      /Why not ready:\n {2}SubmitLimitReached: [\s\S]*QOSMaxSubmitJobPerUserLimit[\s\S]*Job violates accounting\/QOS policy/,
    );
    assert.equal((await liveJobs(on.bed, 'many')).length, 1);
    await desk.tell('scale', 'many', '--replicas=1');
    await desk.ready('many');
    const { status } = await desk.get('many');
    assert.deepEqual([status.restarts, Object.values(on.watch.attempts('many')).flat().length], [0, 1]);
  });

  test('an account that is refused is told in the words of SLURM, and tried again after an edit', async () => {
    const desk = await on.workspace();
    await desk.write('paid', { slurm: { account: 'nobodys' } });
    await desk.operate();
    await desk.shows('paid', ({ phase }) => phase === 'Stalled');
    const row = await desk.row('paid');
    assert.deepEqual([row.READY, row.PHASE, row.REASON], ['0', 'Stalled', 'SubmissionRejected']);
    assert.match(
      await desk.tell('describe', 'paid'),
      /Why not ready:\n {2}SubmissionRejected: [\s\S]*Invalid account or account\/partition combination specified/,
    );
    assert.deepEqual(await jobsOf(on.bed, 'paid'), []);
    await desk.write('paid', { slurm: { account: 'ml' } });
    await desk.ready('paid');
    assert.deepEqual((await liveJobs(on.bed, 'paid')).map(attemptOf), ['r0.a1']);
  });

  test('of a job that was cancelled and forgotten while no operator looked, accounting tells that it was cancelled', async () => {
    const desk = await on.workspace();
    const jobId = await whileAway(desk, 'cancelled', (id) => on.bed.run('scancel', id));
    await desk.operate();
    const { lastFailure } = await desk.shows(
      'cancelled',
      (status) => status.lastFailure !== undefined && status.readyReplicas === 1,
    );
    assert.deepEqual(
      [lastFailure?.reason, lastFailure?.attempt, lastFailure?.jobId],
      ['CancelledExternally', 1, jobId],
    );
    assert.deepEqual((await liveJobs(on.bed, 'cancelled')).map(attemptOf), ['r0.a2']);
  });

  test('of a job that failed and was forgotten, accounting tells how, once it is back itself', async () => {
    const desk = await on.workspace({ settings: { vanishedGraceSeconds: 600 } });
    const jobId = await whileAway(desk, 'failed', async (id) => {
      const { engine } = await jobProcesses(on.bed, id);
      assert.ok(engine);
      process.kill(engine, 'SIGKILL');
      await until('its end', async () => (await liveJobs(on.bed, 'failed')).length === 0 || undefined);
    });
    await on.bed.stopAccounting();
    try {
      await desk.operate();
      await desk.shows(
        'failed',
        ({ conditions }) =>
          conditions?.some(({ type, reason }) => type === 'Ready' && reason === 'JobMissing') === true,
      );
      assert.deepEqual(await liveJobs(on.bed, 'failed'), []);
    } finally {
      await on.bed.startAccounting();
    }
    const { lastFailure } = await desk.shows(
      'failed',
      (status) => status.lastFailure !== undefined && status.readyReplicas === 1,
    );
    assert.deepEqual(
      [lastFailure?.reason, lastFailure?.attempt, lastFailure?.jobId, lastFailure?.exitCode],
      ['EngineFailed', 1, jobId, 68],
    );
    assert.match(lastFailure?.logTail ?? '', /phase=failed\|class=died\|code=68/);
    assert.deepEqual((await liveJobs(on.bed, 'failed')).map(attemptOf), ['r0.a2']);
  });
});
