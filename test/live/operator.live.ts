import assert from 'node:assert/strict';
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { jobProcesses } from './operator/processes.ts';
import { attemptOf, jobsOf, liveJobs, type QueuedJob } from './operator/queue.ts';
import { setStage } from './operator/stage.ts';
import { until } from './operator/until.ts';
import type { Workspace } from './operator/workspace.ts';
import { whyNoBed } from './slurm-bed/bed.ts';

/** The operator as a person meets it: files in, endpoints out; on real SLURM, without accounting. */

const SAMPLE = fileURLToPath(new URL('../../config/samples/stand-in.yaml', import.meta.url));
const QUESTION = 'Who are you?';
const ANSWER = `This is a stand-in, not a language model. It was asked: "${QUESTION}"\n`;
/** Kept for the story of a node that is set down. */
const DOOMED = ['node003', 'node004'];

const saysReady = ({ comment }: QueuedJob): boolean => comment.includes('|phase=ready|');

describe('an operator on SLURM without accounting', { skip: whyNoBed() ?? false, concurrency: 3 }, () => {
  const on = setStage({ minJobAgeSeconds: 20, messageTimeoutSeconds: 5 });

  const noneLive = (name: string) =>
    until(`no live job of ${name}`, async () => (await liveJobs(on.bed, name)).length === 0 || undefined);

  async function onlyJob(name: string): Promise<QueuedJob> {
    const [job, ...more] = await liveJobs(on.bed, name);
    assert.ok(job && more.length === 0, JSON.stringify([job, ...more]));
    return job;
  }

  /** Waits until `get` and the queue agree that another attempt serves. */
  async function comesBack(desk: Workspace, name: string, attempt: string): Promise<QueuedJob> {
    const { endpoints } = await desk.shows(
      name,
      ({ endpoints }) =>
        endpoints?.[0]?.ready === true && on.watch.attempts(name)[attempt]?.includes(endpoints[0].jobId) === true,
    );
    const job = await onlyJob(name);
    assert.deepEqual([attemptOf(job), job.state, job.id], [attempt, 'RUNNING', endpoints?.[0]?.jobId]);
    return job;
  }

  test('deployments come from a file to endpoints that answer, and follow what is done to the file', async () => {
    const desk = await on.workspace({ exclude: DOOMED });
    const file = join(desk.directory, 'stand-in.yaml');
    const edit = async (from: string | RegExp, to: string) =>
      writeFile(file, (await readFile(file, 'utf8')).replace(from, to));
    await copyFile(SAMPLE, file);
    const operator = await desk.operate();
    await Promise.all([desk.ready('echo'), desk.ready('trio')]);

    const trio = await liveJobs(on.bed, 'trio');
    const jobs = [...(await liveJobs(on.bed, 'echo')), ...trio];
    assert.deepEqual(
      jobs.map(({ name, state }) => [name, state]),
      [
        ['vllm.default.echo.r0.a1', 'RUNNING'],
        ['vllm.default.trio.r0.a1', 'RUNNING'],
        ['vllm.default.trio.r1.a1', 'RUNNING'],
        ['vllm.default.trio.r2.a1', 'RUNNING'],
      ],
    );
    const urlOf = ({ comment }: QueuedJob) => `http://127.0.0.1:${/\|port=(\d+)/.exec(comment)?.[1]}`;
    const { status } = await desk.get('trio');
    assert.deepEqual(
      status.endpoints?.map(({ since: _, ...endpoint }) => endpoint),
      trio.map((job, replica) => ({
        replica,
        url: urlOf(job),
        node: job.nodes,
        port: Number(urlOf(job).split(':')[2]),
        jobId: job.id,
        role: 'Serving',
        ready: true,
      })),
    );
    const { AGE: _, ...row } = await desk.row('trio');
    assert.deepEqual(row, {
      NAME: 'trio',
      MODEL: 'hf://example/trio',
      READY: '3',
      DESIRED: '3',
      PHASE: 'Running',
      URL: status.url,
      REASON: 'Ready',
    });
    for (const replica of [0, 1, 2])
      assert.equal(await desk.tell('query', 'trio', QUESTION, `--replica=${replica}`), ANSWER);
    assert.equal(await desk.tell('query', 'echo', QUESTION), ANSWER);
    assert.match(
      await desk.tell('logs', 'trio', '--replica=1'),
      /Starting vLLM server[\s\S]*Application startup complete/,
    );

    // An edit replaces what was made of the old text.
    await edit(/^ {4}name: echo$/m, '    name: echo-again');
    await desk.ready('echo');
    const again = await onlyJob('echo');
    assert.equal(attemptOf(again), 'r0.a2');
    const models = await fetch(`${urlOf(again)}/v1/models`).then((response) => response.json());
    assert.deepEqual(
      (models as { readonly data: readonly { readonly id: string }[] }).data.map(({ id }) => id),
      ['echo-again', `vllm-slurm--job-${again.id}`],
    );
    assert.equal(await desk.tell('query', 'echo', QUESTION), ANSWER);

    assert.equal(await desk.tell('scale', 'trio', '--replicas=1'), 'vllmdeployment.vllm-slurm.dev/trio scaled\n');
    await desk.ready('trio');
    await until('one job of trio', async () => (await liveJobs(on.bed, 'trio')).length === 1 || undefined);
    assert.deepEqual((await onlyJob('trio')).id, trio[0]?.id);
    assert.match(await readFile(file, 'utf8'), /# Three replicas of one GPU slot each/);

    await edit('  engine:\n    type: stand-in\n    args', '  suspend: true\n  engine:\n    type: stand-in\n    args');
    await noneLive('trio');
    await desk.shows('trio', ({ phase }) => phase === 'Suspended');
    assert.equal((await desk.row('trio')).REASON, 'Suspended');
    const refused = await desk.run('query', 'trio', QUESTION);
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /trio is not ready: Suspended/);
    await edit('  suspend: true\n', '');
    await desk.ready('trio');
    assert.equal(attemptOf(await onlyJob('trio')), 'r0.a2');

    await desk.tell('delete', 'trio', '--wait');
    assert.deepEqual(await liveJobs(on.bed, 'trio'), []);
    await rm(file);
    await desk.tell('wait', 'echo', '--for=delete', '--timeout=60s');
    assert.deepEqual(await liveJobs(on.bed, 'echo'), []);
    assert.deepEqual((await desk.run('get')).stderr, 'No resources found in default namespace.\n');
    await operator.stop();
    assert.deepEqual(operator.exit(), { code: 0, signal: null });
    assert.deepEqual(await readdir(desk.directory), ['.events', '.vllm-slurm.yaml']);
  });

  test('a job cancelled by hand comes back, or is held where the deployment says so', async () => {
    const desk = await on.workspace({ exclude: DOOMED });
    const backoff = { initialSeconds: 600, maxSeconds: 600 };
    await desk.write('returns');
    await desk.write('waits', { restartPolicy: { backoff } });
    await desk.write('holds', { restartPolicy: { onExternalCancel: 'Hold' } });
    await desk.operate();
    const names = ['returns', 'waits', 'holds'];
    await Promise.all(names.map(desk.ready));
    const jobs = await Promise.all(names.map(onlyJob));
    await on.bed.run('scancel', ...jobs.map(({ id }) => id));

    await comesBack(desk, 'returns', 'r0.a2');
    assert.match(
      await desk.tell('describe', 'returns'),
      /Last failure:\n {2}Reason: +CancelledExternally\n[\s\S]*somebody other than the operator cancelled the job \(CANCELLED/,
    );

    await desk.shows('waits', ({ phase }) => phase === 'Failed');
    const waits = await desk.row('waits');
    assert.deepEqual(
      [waits.READY, waits.PHASE, waits.URL, waits.REASON],
      ['0', 'Failed', '<none>', 'CancelledExternally'],
    );

    await desk.shows('holds', ({ phase }) => phase === 'Stalled');
    const held = await desk.row('holds');
    assert.deepEqual(
      [held.READY, held.PHASE, held.URL, held.REASON],
      ['0', 'Stalled', '<none>', 'CancelledExternally'],
    );
    assert.match(await desk.tell('describe', 'holds'), /Stalled +True .* CancelledExternally .*spec\.suspend/);
    assert.deepEqual([await liveJobs(on.bed, 'waits'), await liveJobs(on.bed, 'holds')], [[], []]);

    // An edit is tried at once, whatever was held against the old text.
    await desk.write('waits', { restartPolicy: { backoff }, engine: { type: 'stand-in', seed: 1 } });
    await desk.write('holds', { engine: { type: 'stand-in', seed: 1 } });
    await Promise.all(['waits', 'holds'].map((name) => comesBack(desk, name, 'r0.a2')));
  });

  test('an engine that exits is tried again until the budget is spent; a wrong flag is not tried again', async () => {
    const desk = await on.workspace({ exclude: DOOMED });
    await desk.write('fails', {
      engine: { type: 'stand-in', args: ['--stand-in-exit-code', '1'] },
      restartPolicy: { maxRestarts: 1, backoff: { initialSeconds: 1, maxSeconds: 2 } },
    });
    await desk.write('wrong', { engine: { type: 'stand-in', args: ['--stand-in-nonsense', '1'] } });
    await desk.operate();
    await Promise.all(['fails', 'wrong'].map((name) => desk.shows(name, ({ phase }) => phase === 'Stalled')));

    const fails = await desk.row('fails');
    assert.deepEqual([fails.READY, fails.PHASE, fails.REASON], ['0', 'Stalled', 'RestartsExhausted']);
    assert.deepEqual(Object.keys(on.watch.attempts('fails')), ['r0.a1', 'r0.a2']);
    assert.match(
      await desk.tell('describe', 'fails'),
      /Reason: +EngineFailed[\s\S]*exit code 65[\s\S]*\| RuntimeError: Engine core initialization failed/,
    );
    const wrong = await desk.row('wrong');
    assert.deepEqual([wrong.READY, wrong.PHASE, wrong.REASON], ['0', 'Stalled', 'Misconfigured']);
    assert.deepEqual(Object.keys(on.watch.attempts('wrong')), ['r0.a1']);
    assert.match(
      await desk.tell('describe', 'wrong'),
      /Reason: +Misconfigured[\s\S]*\| vllm: error: unrecognized arguments: --stand-in-nonsense/,
    );
    await desk.write('wrong', {});
    await comesBack(desk, 'wrong', 'r0.a2');
  });

  test('a killed engine and a killed batch shell leave nothing behind, and the replica comes back', async () => {
    const desk = await on.workspace({ exclude: DOOMED });
    await desk.write('killed');
    await desk.operate();
    await desk.ready('killed');
    const first = await until('its own word', async () => (await liveJobs(on.bed, 'killed')).find(saysReady));
    const { engine } = await jobProcesses(on.bed, first.id);
    assert.ok(engine);
    process.kill(engine, 'SIGKILL');
    const second = await comesBack(desk, 'killed', 'r0.a2');
    assert.match(await desk.tell('describe', 'killed'), /Reason: +EngineFailed[\s\S]*Exit code: +68\n/);

    const { shell } = await jobProcesses(on.bed, second.id);
    assert.ok(shell);
    process.kill(shell, 'SIGKILL');
    await comesBack(desk, 'killed', 'r0.a3');
    assert.match(await desk.tell('describe', 'killed'), /Reason: +EngineFailed[\s\S]*signal 9/);
    for (const { id } of [first, second])
      await until(
        `job ${id} left no process`,
        async () => (await jobProcesses(on.bed, id)).all.length === 0 || undefined,
      );
    assert.deepEqual((await desk.get('killed')).status.restarts, 2);
  });

  test('a node set down costs its job, and the next attempt is kept off it', async () => {
    const desk = await on.workspace({ exclude: ['node001', 'node002'] });
    await desk.write('mover');
    await desk.operate();
    await desk.ready('mover');
    const { nodes: fallen } = await onlyJob('mover');
    const other = DOOMED.find((node) => node !== fallen);
    await on.bed.setNode(fallen, 'down');
    const moved = await comesBack(desk, 'mover', 'r0.a2');
    assert.equal(moved.nodes, other);
    const { status } = await desk.get('mover');
    assert.deepEqual(
      [status.lastFailure?.reason, status.lastFailure?.node, status.excludedNodes?.map(({ name }) => name)],
      ['NodeFailed', fallen, [fallen]],
    );
    assert.match(await desk.tell('describe', 'mover'), new RegExp(`Excluded nodes:\n {2}${fallen}: NodeFailed`));
    const excluded = await on.bed.run('squeue', '-h', '-j', moved.id, '-o', '%x');
    assert.deepEqual(await on.bed.run('scontrol', 'show', 'hostnames', excluded), `node001\nnode002\n${fallen}`);
    await on.bed.setNode(fallen, 'resume');
  });

  test('what waits in the queue or was refused says why, in the words of SLURM', async () => {
    const desk = await on.workspace({ exclude: DOOMED });
    const gpus = { resources: { gpusPerNode: 4 }, slurm: { nodelist: ['node002'] } };
    await desk.write('full', { ...gpus, replicas: 2 });
    await desk.write('refused', { slurm: { partitions: ['nowhere'] } });
    await desk.write('barred', { slurm: { partitions: ['short'], time: '1:00:00' } });
    await desk.operate();

    const blocked = await desk.shows('refused', ({ lastFailure }) => lastFailure !== undefined);
    assert.deepEqual(
      [blocked.phase, blocked.lastFailure?.reason, await jobsOf(on.bed, 'refused')],
      ['Stalled', 'SubmissionRejected', []],
    );
    assert.equal((await desk.row('refused')).REASON, 'SubmissionRejected');
    assert.match(await desk.tell('describe', 'refused'), /Why not ready:\n[\s\S]*invalid partition specified: nowhere/);
    await desk.write('refused', {});
    await comesBack(desk, 'refused', 'r0.a1');

    await desk.shows('barred', ({ phase }) => phase === 'Stalled');
    assert.equal((await desk.row('barred')).REASON, 'QueuedForever');
    assert.match(
      await desk.tell('describe', 'barred'),
      /PartitionTimeLimit\): It asks for more time than the partition allows/,
    );

    await desk.shows(
      'full',
      ({ readyReplicas, jobs }) => readyReplicas === 1 && jobs?.some(({ reason }) => reason === 'Resources') === true,
    );
    const row = await desk.row('full');
    assert.deepEqual([row.READY, row.DESIRED, row.PHASE, row.REASON], ['1', '2', 'Degraded', 'Queued']);
    assert.match(
      await desk.tell('describe', 'full'),
      /is queued \(Resources\): The nodes and GPUs it asks for are in use/,
    );
    assert.deepEqual((await liveJobs(on.bed, 'full')).map(({ state }) => state).sort(), ['PENDING', 'RUNNING']);
  });

  test('a directory has one operator, and operators of two directories leave each other alone', async () => {
    const [mine, theirs] = [await on.workspace({ exclude: DOOMED }), await on.workspace({ exclude: DOOMED })];
    await mine.write('mine');
    await theirs.write('theirs');
    await theirs.write('mine');
    await mine.operate();
    await mine.ready('mine');
    await theirs.operate();
    await theirs.ready('theirs');
    const second = await mine.operate();
    await second.ended;
    assert.equal(second.exit()?.code, 1);
    assert.match(second.log(), /is served by another controller already: process \d+/);

    const job = (await liveJobs(on.bed, 'mine'))[0];
    // One user's jobs of one name never run together, whoever submitted them.
    const waits = await theirs.shows('mine', ({ jobs }) => jobs?.[0]?.reason === 'Dependency');
    assert.equal(
      waits.jobs?.[0]?.explanation,
      'An earlier job of the same name is still running; it starts when that one ends.',
    );
    await theirs.tell('delete', 'mine', '--wait');
    await theirs.tell('delete', 'theirs', '--wait');
    assert.deepEqual(await onlyJob('mine'), job);
    assert.equal((await mine.row('mine')).READY, '1');
  });
});
