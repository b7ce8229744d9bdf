import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Lie, lyingSbatch } from './operator/lying-sbatch.ts';
import { attemptOf, liveJobs, queue } from './operator/queue.ts';
import { setStage } from './operator/stage.ts';
import { until } from './operator/until.ts';
import { whyNoBed } from './slurm-bed/bed.ts';

/** What the operator does when SLURM says nothing, half the truth, or no longer what it said before. */

const _ENDLESS = ['--parsable', '--output=/dev/null', '--time=UNLIMITED', '--mem=100', '--wrap=exec sleep 86400'];
/** Longer than any one command waits, and than the in-job watchdog would need to notice something. */
const _OUTAGE_MS = 45_000;

/** What becomes of an attempt whose submission went astray: how many jobs of its name there ever were. */
const LOST: readonly { readonly lie: Lie; readonly jobs: number }[] = [
  { lie: 'it never reached the controller', jobs: 1 },
  { lie: 'it arrives late', jobs: 1 },
  { lie: 'its reply is lost', jobs: 1 },
  { lie: 'it is killed before it replies', jobs: 1 },
  { lie: 'the controller stands still', jobs: 1 },
  { lie: 'it arrives twice', jobs: 2 },
];

describe('an operator in doubt', { skip: whyNoBed() ?? false }, () => {
  const on = setStage({ minJobAgeSeconds: 10, messageTimeoutSeconds: 5, twins: ['it-arrives-twice'] });

  describe('about a submission', { concurrency: 6 }, () => {
    for (const { lie, jobs } of LOST) {
      test(`${lie}: exactly one job serves`, async () => {
        const name = lie.replaceAll(' ', '-');
        const desk = await on.workspace({ binDirectory: await lyingSbatch(on.bed, lie) });
        await desk.write(name);
        await desk.operate();
        await desk.ready(name);
        const [job, ...more] = await until('one live job', async () => {
          const live = await liveJobs(on.bed, name);
          return live.length === 1 ? live : undefined;
        });
        assert.ok(job);
        assert.deepEqual(more, []);
        const { status } = await desk.get(name);
        assert.deepEqual(
          [attemptOf(job), job.state, status.endpoints?.map(({ jobId, ready }) => [jobId, ready]), status.restarts],
          ['r0.a1', 'RUNNING', [[job.id, true]], 0],
        );
        const attempts = on.watch.attempts(name);
        assert.deepEqual(
          [Object.keys(attempts), attempts['r0.a1']?.length, attempts['r0.a1']?.[0]],
          [['r0.a1'], jobs, job.id],
        );
        assert.match(await desk.tell('query', name, 'Hello'), /It was asked: "Hello"/);
      });
    }

    test('a job that is forgotten while no operator looks is replaced, not waited for', async () => {
      const desk = await on.workspace();
      await desk.write('forgotten');
      const operator = await desk.operate();
      await desk.ready('forgotten');
      await operator.stop();
      const [job] = await liveJobs(on.bed, 'forgotten');
      assert.ok(job);
      await on.bed.run('scancel', job.id);
      await until('the purge', async () => (await queue(on.bed)).every(({ id }) => id !== job.id) || undefined);
      await desk.operate();
      await desk.shows(
        'forgotten',
        ({ readyReplicas, lastFailure }) => readyReplicas === 1 && lastFailure !== undefined,
      );
      assert.deepEqual(Object.keys(on.watch.attempts('forgotten')), ['r0.a1', 'r0.a2']);
      assert.match(await desk.tell('describe', 'forgotten'), /Reason: +Vanished\n/);
    });
  });
});
