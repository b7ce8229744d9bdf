import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Lie, lyingSbatch } from './operator/lying-sbatch.ts';
import { attemptOf, liveJobs, queue } from './operator/queue.ts';
import { setStage } from './operator/stage.ts';
import { until } from './operator/until.ts';
import { whyNoBed } from './slurm-bed/bed.ts';

/** What the operator does when SLURM says nothing, half the truth, or no longer what it said before. */

const ENDLESS = ['--parsable', '--output=/dev/null', '--time=UNLIMITED', '--mem=100', '--wrap=exec sleep 86400'];
/** Longer than any one command waits, and than the in-job watchdog would need to notice something. */
const OUTAGE_MS = 45_000;

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

  test('a controller that is away for a while changes no job, whoever comes and goes meanwhile', async () => {
    const desk = await on.workspace();
    await desk.write('steady', { replicas: 2 });
    const operator = await desk.operate();
    await desk.ready('steady');
    const jobs = await until('both jobs say so', async () => {
      const live = await liveJobs(on.bed, 'steady');
      return live.every(({ comment }) => comment.includes('|phase=ready|')) ? live : undefined;
    });
    const { status: before } = await desk.get('steady');
    const endpoints = before.endpoints?.map(({ since: _, ...endpoint }) => endpoint);

    await on.bed.stopController();
    const away = delay(OUTAGE_MS);
    async function assertServing(phase: string): Promise<void> {
      await desk.shows(
        'steady',
        ({ conditions, readyReplicas }) =>
          conditions?.some(({ type, status }) => type === 'SlurmReachable' && status === 'False') === true &&
          readyReplicas === 2,
      );
      const { status } = await desk.get('steady');
      assert.deepEqual(
        status.endpoints?.map(({ since: _, ...endpoint }) => endpoint),
        endpoints,
      );
      const row = await desk.row('steady');
      assert.deepEqual([row.READY, row.PHASE, row.URL], ['2', phase, before.url]);
      assert.match(await desk.tell('describe', 'steady'), /SlurmReachable +False .*Unable to contact slurm controller/);
      assert.match(await desk.tell('query', 'steady', 'Hello'), /It was asked: "Hello"/);
    }
    try {
      await assertServing('Running');
      await operator.stop('SIGKILL');
      await desk.operate();
      await assertServing('Running');
      await desk.write('steady', { replicas: 3 });
      await away;
      await assertServing('Degraded');
    } finally {
      await on.bed.startController();
    }

    await desk.ready('steady');
    const after = await liveJobs(on.bed, 'steady');
    assert.deepEqual([after.slice(0, 2), after.map(attemptOf)], [jobs, ['r0.a1', 'r1.a1', 'r2.a1']]);
    assert.match(await desk.tell('describe', 'steady'), /SlurmReachable +True/);
  });

  test('an id that SLURM gives to another job after a crash fools nobody', async () => {
    const binDirectory = await lyingSbatch(on.bed, 'the controller crashes before it has saved the job');
    const desk = await on.workspace({ binDirectory, settings: { vanishedGraceSeconds: 15 } });
    const holder = await on.bed.asUser('sbatch', '--exclusive', '--nodelist=node004', ...ENDLESS);
    const submittedMs = Date.now();
    await until('SLURM has saved what there is', async () => {
      const { mtimeMs } = await stat(join(on.bed.directory, 'state', 'job_state'));
      return mtimeMs > submittedMs || undefined;
    });
    await desk.write('robbed', { slurm: { nodelist: ['node004'] } });
    await desk.operate();
    await desk.shows(
      'robbed',
      ({ conditions }) =>
        conditions?.some(({ type, status }) => type === 'SlurmReachable' && status === 'False') === true,
    );
    const lost = (await readFile(join(binDirectory, 'sbatch.id'), 'utf8')).trim();
    await on.bed.startController();
    const comment = 'vso1 uid=0b5e gen=1 hash=0a nonce=n0 owner=another-operator';
    // The controller begins where it had saved last, which may be some ids before.
    const heirs: string[] = [];
    while (heirs.length < 5 && heirs.at(-1) !== lost) {
      const name = `--job-name=vllm.default.heir.r${heirs.length}.a1`;
      heirs.push(await on.bed.run('sbatch', '--nodelist=node001', name, `--comment=${comment}`, ...ENDLESS));
    }
    assert.equal(heirs.at(-1), lost);

    const again = await until('the attempt again', async () => (await liveJobs(on.bed, 'robbed'))[0]);
    assert.deepEqual([attemptOf(again), again.id === lost], ['r0.a1', false]);
    await on.bed.asUser('scancel', holder);
    await desk.ready('robbed');
    await desk.tell('delete', 'robbed', '--wait');
    const kept = (await queue(on.bed)).filter(({ id }) => heirs.includes(id));
    assert.deepEqual(
      kept.map(({ id, state }) => [id, ['PENDING', 'RUNNING'].includes(state)]),
      heirs.map((id) => [id, true]),
    );
    assert.deepEqual(Object.keys(on.watch.attempts('robbed')), ['r0.a1']);
  });
});
