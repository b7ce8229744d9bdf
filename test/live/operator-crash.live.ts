import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Status } from '../../src/api/status.ts';
import { FAILPOINTS } from '../../src/controller/failpoints.ts';
import { jobProcesses } from './operator/processes.ts';
import { setStage } from './operator/stage.ts';
import { until } from './operator/until.ts';
import type { Operator } from './operator/workspace.ts';
import { whyNoBed } from './slurm-bed/bed.ts';

/**
 * The whole life of a deployment of two replicas (start, a failure, scale, edit, removal) with an operator that is
 * killed at one of its I/O points and started again: the life takes the same four jobs as without the crash.
 */

/** A claim without a submission stays in doubt for about a minute: those lives begin first. */
const LONG = ['store.writeStatus:after', 'slurm.submit:before'];
/** Passed the first time before there is anything to lose; and again with jobs. */
const AGAIN = ['store.writeStatus:before@3', 'slurm.submit:after@3', 'slurm.listJobs:after@9'];
const POINTS = [...LONG, ...FAILPOINTS.filter((point) => !LONG.includes(point)), ...AGAIN];

describe('an operator killed at an I/O point and started again', { skip: whyNoBed() ?? false, concurrency: 8 }, () => {
  const on = setStage({ minJobAgeSeconds: 10, messageTimeoutSeconds: 5 });

  for (const point of POINTS) {
    test(`${point}: the same jobs are adopted, none is doubled, none is left`, async () => {
      const name = point.toLowerCase().replaceAll(/[.:@]/g, '-');
      const desk = await on.workspace();
      const deaths: unknown[] = [];
      const dying = { VLLM_SLURM_FAILPOINT: point };
      // Accounting is asked only about a job that the queue forgot while no operator looked.
      const isForgotten = point.startsWith('slurm.history');
      let operator: Operator;

      /** Waits for the goal; an operator that died meanwhile is started again, to live. */
      const reach = (what: string, goal: (status: Status) => boolean): Promise<Status> =>
        until(
          () => [what, deaths, desk.status(name), on.watch.attempts(name), operator.log().slice(-2000)],
          async () => {
            const exit = operator.exit();
            if (exit) {
              deaths.push(exit);
              operator = await desk.operate();
            }
            const status = await desk.status(name);
            return goal(status) ? status : undefined;
          },
          180_000,
        );
      const serves = (generation: number, replicas: number) => (status: Status) =>
        status.observedGeneration === generation &&
        status.readyReplicas === replicas &&
        status.updatedReplicas === replicas &&
        on.watch.live(name).length === replicas;

      const file = join(desk.directory, '..', 'key');
      await writeFile(file, 'sk-of-the-life\n', { mode: 0o600 });
      const endpoint = { apiKeyFrom: { file } };
      await desk.write(name, { replicas: 2, endpoint });
      operator = await desk.operate(isForgotten ? {} : dying);
      const { endpoints } = await reach('two replicas', serves(1, 2));

      const jobId = endpoints?.find(({ replica }) => replica === 0)?.jobId ?? '';
      if (isForgotten) {
        await operator.stop();
        await on.bed.run('scancel', jobId);
        await until(
          `job ${jobId} forgotten`,
          async () =>
            !(await on.bed.run('squeue', '-h', '-t', 'all', '-o', '%A')).split('\n').includes(jobId) || undefined,
        );
        operator = await desk.operate(dying);
      } else {
        const { engine } = await jobProcesses(on.bed, jobId);
        assert.ok(engine);
        process.kill(engine, 'SIGKILL');
      }
      await reach(
        'two replicas again',
        (status) => serves(1, 2)(status) && Object.keys(on.watch.attempts(name)).length === 3,
      );

      await desk.write(name, { replicas: 1, endpoint });
      await reach('one replica', serves(2, 1));

      await desk.write(name, { replicas: 1, endpoint, engine: { type: 'stand-in', seed: 1 } });
      await reach('the edit', serves(3, 1));

      await desk.remove(name);
      // The last point is passed when nothing is left: the operator is seen to have died all the same.
      await reach(
        'removal',
        () =>
          deaths.length > 0 &&
          on.watch.live(name).length === 0 &&
          !existsSync(join(desk.directory, `${name}.status.yaml`)),
      );
      // A crash between the two leaves a secret's file to the sweep.
      await until('no secret is left', async () => (await secretFiles(desk.secrets)).length === 0 || undefined);
      await operator.stop();

      assert.deepEqual(deaths, [{ code: null, signal: 'SIGKILL' }]);
      const jobs = Object.values(on.watch.attempts(name));
      assert.deepEqual(
        jobs.map((ids) => ids.length),
        [1, 1, 1, 1],
        JSON.stringify(on.watch.attempts(name)),
      );
    });
  }
});

const secretFiles = async (directory: string): Promise<readonly string[]> =>
  (await readdir(directory, { recursive: true, withFileTypes: true })).flatMap((one) =>
    one.isFile() ? [one.name] : [],
  );
