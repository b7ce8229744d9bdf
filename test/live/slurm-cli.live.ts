import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/clock.ts';
import { createSlurmCli, type SlurmCli, type SlurmCliOptions } from '../../src/slurm/cli/cli.ts';
import { type Job, type JobEnding, refOf } from '../../src/slurm/job.ts';
import { type Bed, type BedOptions, startBed, whyNoBed } from './slurm-bed/bed.ts';

/** What only real SLURM can show of the adapter, besides the contract: silence, doubt, purges, other people's jobs. */

const skip = whyNoBed() ?? false;
const DEADLINE_MS = 90_000;

function adapter(bed: Bed, options: Partial<SlurmCliOptions> = {}): SlurmCli {
  return createSlurmCli({
    cluster: 'bed',
    clock: systemClock,
    // A zone of its own, and settings that would hide every job if they were passed on.
    environment: {
      PATH: process.env.PATH,
      TZ: 'Asia/Kathmandu',
      SQUEUE_PARTITION: 'short',
      SBATCH_HOLD: '1',
      ...bed.env,
    },
    ...options,
  });
}

let count = 0;
const freshName = (): string => `vllm.live.job.r0.a${++count}`;

function script(name: string, body: string, lines: readonly string[] = []): string {
  const options = [`--job-name=${name}`, '--comment="a=1 b|c=2"', '--output=/dev/null', '--no-requeue', ...lines];
  return ['#!/bin/sh', ...options.map((line) => `#SBATCH ${line}`), body, ''].join('\n');
}

async function submit(slurm: SlurmCli, name: string, body: string, lines: readonly string[] = []): Promise<string> {
  const answer = await slurm.submit({ name, script: script(name, body, lines) });
  assert.ok(answer.ok, JSON.stringify(answer));
  return answer.value;
}

async function jobs(slurm: SlurmCli): Promise<readonly Job[]> {
  const listing = await slurm.listJobs();
  assert.ok(listing.ok, JSON.stringify(listing));
  return listing.value.jobs;
}

async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + DEADLINE_MS;
  while (performance.now() < end) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await delay(200);
  }
  return assert.fail(`${what}: not within ${DEADLINE_MS} ms`);
}

const listed = (slurm: SlurmCli, id: string, phase: Job['phase']): Promise<Job> =>
  until(`job ${id} ${phase}`, async () => (await jobs(slurm)).find((job) => job.id === id && job.phase === phase));

const kind = (answer: { ok: true } | { ok: false; error: { kind: string } }): string =>
  answer.ok ? 'ok' : answer.error.kind;

/** A bed for the tests of one `describe`, and the adapter on it. */
function withBed(options: BedOptions): { readonly bed: Bed; readonly slurm: SlurmCli } {
  const made: { bed?: Bed; slurm?: SlurmCli } = {};
  before(async () => {
    made.bed = await startBed(options);
    made.slurm = adapter(made.bed);
  });
  after(async () => {
    await made.slurm?.close();
    await made.bed?.stop();
  });
  return {
    get bed() {
      assert.ok(made.bed);
      return made.bed;
    },
    get slurm() {
      assert.ok(made.slurm);
      return made.slurm;
    },
  };
}

describe('the command-line adapter on SLURM without accounting', { skip }, () => {
  const on = withBed({ minJobAgeSeconds: 15, messageTimeoutSeconds: 5 });

  test('it knows the version, and the nodes by name, address and state', async () => {
    const version = await on.slurm.version();
    assert.match((version.ok && version.value) || '', /^\d\d\.\d\d\.\d+/);
    const nodes = on.bed.nodeNames.map((name) => ({ name, address: '127.0.0.1', state: 'idle' }));
    assert.deepEqual(await on.slurm.nodes(), { ok: true, value: nodes });
  });

  test('times are right whatever zone anybody is in, and settings for other commands hide nothing', async () => {
    const beforeMs = Math.floor(Date.now() / 1000) * 1000;
    const id = await submit(on.slurm, freshName(), 'exec sleep 600');
    const job = await listed(on.slurm, id, 'running');
    assert.ok(job.phase === 'running');
    assert.ok(beforeMs <= job.submitMs && job.submitMs <= job.startMs && job.startMs <= Date.now());
    assert.deepEqual([job.user, job.partition, job.comment], ['root', 'gpu', 'a=1 b|c=2']);
    assert.deepEqual(await on.slurm.cancel(job), { ok: true, value: undefined });
    await listed(on.slurm, id, 'ended');
  });

  test('the same through a prefix whose shell reads every word again, as ssh does', async () => {
    const login = `${on.bed.directory}/login`;
    await writeFile(login, '#!/bin/sh\nshift\nexec sh -c "$*"\n', { mode: 0o755 });
    const behind = adapter(on.bed, { commandPrefix: [login, 'login1'] });
    const name = freshName();
    const id = await submit(behind, name, 'exit 3');
    const endings = await behind.describe([refOf(await listed(behind, id, 'ended'))]);
    assert.deepEqual(endings.ok && endings.value.map((one) => [one.id, one.state, one.exitCode]), [[id, 'FAILED', 3]]);
    await behind.close();
  });

  test("names with line breaks, arrays, het jobs and another user's job of our name are passed over and untouched", async () => {
    const hostile = ['--hold', '--output=/dev/null', '--wrap=exit 0'];
    const names = ["it's\n9|vllm.live.x.r0.a1", 'vllm-look-alike', 'x vllm.live.y.r0.a1'];
    for (const name of names) await on.bed.run('sbatch', ...hostile, `--job-name=${name}`, `--comment=${name}`);
    await on.bed.run('sbatch', ...hostile, '--array=0-3');
    await on.bed.run('sbatch', '--hold', '--output=/dev/null', '--ntasks=1', ':', '--ntasks=1', '--wrap=exit 0');
    const name = freshName();
    const theirs = await on.bed.asUser('sbatch', '--parsable', ...hostile, `--job-name=${name}`);
    const own = await submit(on.slurm, name, 'exit 0', ['--hold']);
    const live = (await jobs(on.slurm)).filter((job) => job.phase !== 'ended');
    assert.deepEqual(
      live.map((job) => [job.id, job.name, job.state, job.reason]),
      [[own, name, 'PENDING', 'JobHeldUser']],
    );
    const ref = refOf(live[0] as Job);
    assert.deepEqual(await on.slurm.cancel({ ...ref, id: theirs }), { ok: true, value: undefined });
    assert.equal(await on.bed.run('squeue', '--noheader', `--jobs=${theirs}`, '--format=%T %u'), 'PENDING nobody');
    assert.deepEqual(await on.slurm.cancel(ref), { ok: true, value: undefined });
    await on.bed.run('scancel', '--state=PENDING');
  });

  test('a node set down under a job is in how the job ended', async () => {
    const name = freshName();
    const id = await submit(on.slurm, name, 'exec sleep 600', ['--nodelist=node002']);
    const ref = refOf(await listed(on.slurm, id, 'running'));
    await on.bed.setNode('node002', 'down');
    assert.equal((await listed(on.slurm, id, 'ended')).state, 'NODE_FAIL');
    const nodes = await on.slurm.nodes();
    assert.equal(nodes.ok && nodes.value.find((node) => node.name === 'node002')?.state, 'down');
    const endings = await on.slurm.describe([ref]);
    assert.deepEqual(endings.ok && endings.value.map((one) => [one.state, one.reason, one.nodes]), [
      ['NODE_FAIL', 'NodeDown', ['node002']],
    ]);
    await on.bed.setNode('node002', 'resume');
  });

  test('a refusal comes in the words of sbatch', async () => {
    const name = freshName();
    const answer = await on.slurm.submit({ name, script: script(name, 'exit 0', ['--gres=tpu:1']) });
    assert.deepEqual(answer, {
      ok: false,
      error: { kind: 'rejected', message: 'Invalid generic resource (gres) specification' },
    });
  });

  test('a controller that is silent leaves a submission in doubt, and the job is there when it speaks again', async () => {
    const impatient = adapter(on.bed, { timeoutMs: 1_000 });
    const name = freshName();
    await on.bed.freezeController();
    const [submission, listing, cut] = await Promise.all([
      on.slurm.submit({ name, script: script(name, 'exec sleep 600') }),
      on.slurm.listJobs(),
      impatient.listJobs(),
    ]);
    await on.bed.thawController();
    assert.deepEqual([submission, listing, cut].map(kind), ['unknown', 'unknown', 'unknown']);
    assert.match((!submission.ok && submission.error.message) || '', /Socket timed out on send\/recv operation/);
    assert.match((!cut.ok && cut.error.message) || '', /did not answer within 1000 ms/);
    const found = await until('the job', async () => {
      const same = (await jobs(on.slurm)).filter((job) => job.name === name);
      return same.length > 0 ? same : undefined;
    });
    assert.equal(found.length, 1);
    for (const job of found) await on.slurm.cancel(job);
    await impatient.close();
  });

  test('a controller that is away is unreachable to everybody, and nothing arrived', async () => {
    const [name, id] = [freshName(), '1'];
    await on.bed.stopController();
    const ref = { id, name, user: 'root', submitMs: 0 };
    const answers = await Promise.all([
      on.slurm.listJobs(),
      on.slurm.submit({ name, script: script(name, 'exit 0') }),
      on.slurm.describe([ref]),
      on.slurm.cancel(ref),
      on.slurm.nodes(),
    ]);
    await on.bed.startController();
    assert.deepEqual(answers.map(kind), Array(5).fill('unreachable'));
    assert.deepEqual(
      (await jobs(on.slurm)).filter((job) => job.name === name),
      [],
    );
  });

  test('a purged job is nowhere, and accounting that is not kept says so', async () => {
    const name = freshName();
    const id = await submit(on.slurm, name, 'exit 0');
    const ref = refOf(await listed(on.slurm, id, 'ended'));
    await until('the purge', async () => (await jobs(on.slurm)).every((job) => job.id !== id) || undefined);
    assert.deepEqual(await on.slurm.describe([ref]), { ok: true, value: [] });
    assert.deepEqual(await on.slurm.history([name], ref.submitMs), {
      ok: false,
      error: { kind: 'rejected', message: 'Slurm accounting storage is disabled' },
    });
  });
});

describe('the command-line adapter on SLURM with accounting', { skip }, () => {
  const on = withBed({ accounting: true, nodes: 1, gpusPerNode: 0 });

  const recorded = (name: string, sinceMs: number): Promise<JobEnding> =>
    until(`${name} in accounting`, async () => {
      const answer = await on.slurm.history([name], sinceMs);
      assert.ok(answer.ok, JSON.stringify(answer));
      return answer.value[0];
    });

  test('history tells how a job ended, by name and not before the bound', async () => {
    const name = freshName();
    const id = await submit(on.slurm, name, 'exit 7');
    const job = await listed(on.slurm, id, 'ended');
    assert.ok(job.phase === 'ended');
    assert.deepEqual(await recorded(name, job.submitMs), {
      id,
      name,
      submitMs: job.submitMs,
      state: 'FAILED',
      exitCode: 7,
      signal: 0,
      reason: 'None',
      nodes: ['node001'],
      failedNodes: [],
      startMs: job.startMs,
      endMs: job.endMs,
    });
    assert.deepEqual(await on.slurm.history([name], job.submitMs + 1000), { ok: true, value: [] });
  });

  test('a cancelled job is CANCELLED in history, whoever did it', async () => {
    const name = freshName();
    const id = await submit(on.slurm, name, 'exec sleep 600');
    const job = await listed(on.slurm, id, 'running');
    await on.bed.run('scancel', id);
    await listed(on.slurm, id, 'ended');
    assert.equal((await recorded(name, job.submitMs)).state, 'CANCELLED');
  });

  test('limits and accounts refuse in the words of sbatch', async () => {
    const first = freshName();
    await submit(on.slurm, first, 'exit 0', ['--qos=tiny', '--hold']);
    const refused = await Promise.all(
      [['--qos=tiny'], ['--account=nope']].map(async (lines) => {
        const name = freshName();
        return on.slurm.submit({ name, script: script(name, 'exit 0', lines) });
      }),
    );
    assert.deepEqual(
      refused.map((answer) => !answer.ok && answer.error),
      [
        {
          kind: 'rejected',
          message:
            "QOSMaxSubmitJobPerUserLimit\nBatch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
        },
        {
          kind: 'rejected',
          message: 'Batch job submission failed: Invalid account or account/partition combination specified',
        },
      ],
    );
  });

  test('with the database away history is unreachable, while jobs come and go', async () => {
    const name = freshName();
    await on.bed.stopAccounting();
    const [away, id] = [await on.slurm.history([name], Date.now() - 60_000), await submit(on.slurm, name, 'exit 0')];
    await listed(on.slurm, id, 'ended');
    await on.bed.startAccounting();
    assert.equal(kind(away), 'unreachable');
    assert.equal((await recorded(name, Date.now() - 60_000)).state, 'COMPLETED');
  });
});
