import assert from 'node:assert/strict';
import { after, before, test as declareTest, describe } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Job, type JobEnding, type JobRef, refOf } from '../../src/slurm/job.ts';
import type { EquippedNode, Inventory, Listing, Slurm } from '../../src/slurm/slurm.ts';

/** What a bed must be able to run. Each kind is a whole batch script body; options are added in front of it. */
export type ScriptKind =
  /** Ends at once with exit code 7. */
  | 'exits-7'
  /** Ends at once with exit code 0. */
  | 'exits-0'
  /** Runs until it is ended; TERM ends it. */
  | 'runs'
  /** As `runs`, and first makes its comment `$MARKER|phase=ready|port=20001`; MARKER is set before it. */
  | 'reports';

export type SlurmBed = {
  readonly slurm: Slurm;
  /** What stands behind the `#SBATCH` lines; the first line of the script is `#!/bin/bash`. */
  script(kind: ScriptKind): string;
  /** Of every node: jobs that exclude them all can never run. */
  readonly nodeNames: readonly string[];
  /** Of each node, of no type. */
  readonly gpusPerNode: number;
  /** Of SLURM; undefined: there is none. */
  readonly version?: string;
  /** Lets simulated time pass; absent where time passes by itself. */
  advance?(ms: number): Promise<void>;
  close(): Promise<void>;
};

export type SlurmContractOptions = {
  /** For one condition to come true. Default 60 s. */
  readonly deadlineMs?: number;
  /** Shortest `--time` the cluster takes, in Slurm's notation. Default `0:02`; real Slurm counts in minutes. */
  readonly shortestTime?: string;
  /** slurmrestd of 22.05 says 0 of every job in accounting. */
  readonly historyHasNoExitCodes?: true;
  /** `rejected` from `history` is right only where no accounting is kept. */
  readonly keepsAccounting?: true;
  /** Tests side by side; default 1. Only where time passes by itself. */
  readonly atOnce?: number;
  /** Hears how each test ended. */
  told?(test: string, isKept: boolean): void;
};

/** The suite every adapter of the `Slurm` port is held to. Jobs are named after the run, so that a bed may be shared. */
export function slurmContract(name: string, make: () => Promise<SlurmBed>, options: SlurmContractOptions = {}): void {
  const { deadlineMs = 60_000, shortestTime = '0:02', atOnce = 1, told } = options;

  function test(sentence: string, body: () => Promise<void>): void {
    declareTest(sentence, async () => {
      let isKept = false;
      try {
        await body();
        isKept = true;
      } finally {
        told?.(sentence, isKept);
      }
    });
  }

  describe(`the Slurm port, ${name}`, { concurrency: atOnce }, () => {
    let bed: SlurmBed;
    const run = Date.now().toString(36);
    let count = 0;
    before(async () => {
      bed = await make();
    });
    after(async () => {
      await bed?.close();
    });

    const freshName = (): string => `vllm.contract-${run}.job.r0.a${++count}`;

    function script(jobName: string, kind: ScriptKind, lines: readonly string[] = []): string {
      const directives = [
        `--job-name=${jobName}`,
        `--comment="${commentOf(jobName)}"`,
        '--no-requeue',
        '--output=/dev/null',
        ...lines,
      ];
      return [
        '#!/bin/bash',
        ...directives.map((line) => `#SBATCH ${line}`),
        `MARKER='${commentOf(jobName)}'`,
        bed.script(kind),
      ].join('\n');
    }

    async function submit(jobName: string, kind: ScriptKind, lines: readonly string[] = []): Promise<JobRef> {
      const submitted = await bed.slurm.submit({ name: jobName, script: script(jobName, kind, lines) });
      assert.ok(submitted.ok, `submit: ${JSON.stringify(submitted)}`);
      const job = await find(submitted.value, jobName);
      assert.ok(job, `job ${submitted.value} is not listed right after it was submitted`);
      return refOf(job);
    }

    async function listing(): Promise<Listing> {
      const answer = await bed.slurm.listJobs();
      assert.ok(answer.ok, `listJobs: ${JSON.stringify(answer)}`);
      return answer.value;
    }

    async function find(id: string, jobName: string): Promise<Job | undefined> {
      return (await listing()).jobs.find((job) => job.id === id && job.name === jobName);
    }

    /** Asks again and again, at most until the deadline. */
    async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
      const endMs = Date.now() + deadlineMs;
      for (let spentMs = 0; spentMs < deadlineMs && Date.now() < endMs; spentMs += 250) {
        const answer = await ask();
        if (answer !== undefined) return answer;
        await (bed.advance ? bed.advance(250) : delay(250));
      }
      return assert.fail(`${what}: not within ${deadlineMs} ms; jobs: ${JSON.stringify((await listing()).jobs)}`);
    }

    function untilPhase(ref: JobRef, phase: Job['phase']): Promise<Job> {
      return until(`${ref.name} ${phase}`, async () => {
        const job = await find(ref.id, ref.name);
        return job?.phase === phase ? job : undefined;
      });
    }

    function ending(ref: JobRef): Promise<JobEnding> {
      return until(`${ref.name} described as ended`, async () => {
        const answer = await bed.slurm.describe([ref]);
        assert.ok(answer.ok, `describe: ${JSON.stringify(answer)}`);
        return answer.value.find((one) => one.id === ref.id);
      });
    }

    async function cancel(...refs: readonly JobRef[]): Promise<void> {
      for (const ref of refs) assert.deepEqual(await bed.slurm.cancel(ref), { ok: true, value: undefined });
      for (const ref of refs) await untilPhase(ref, 'ended');
    }

    test('a submitted job is in the very next listing, with its name and its comment as they were written', async () => {
      const jobName = freshName();
      const ref = await submit(jobName, 'runs');
      const job = await find(ref.id, jobName);
      assert.deepEqual([job?.name, job?.comment], [jobName, commentOf(jobName)]);
      await cancel(ref);
    });

    test('a listing says when it was asked for, and a submit time is not after it', async () => {
      const ref = await submit(freshName(), 'runs');
      const { askedAtMs } = await listing();
      // Slurm counts whole seconds.
      assert.ok(ref.submitMs <= askedAtMs + 1000, `${ref.submitMs} is after ${askedAtMs}`);
      await cancel(ref);
    });

    test('a running job is on a node the cluster knows, and has a start', async () => {
      const ref = await submit(freshName(), 'runs');
      const job = await untilPhase(ref, 'running');
      const nodes = await bed.slurm.nodes();
      assert.ok(nodes.ok);
      const known = nodes.value.map((node) => node.name);
      assert.ok(job.phase === 'running' && job.startMs >= ref.submitMs);
      assert.ok(job.nodes.length === 1 && known.includes(job.nodes[0] ?? ''), `${job.nodes} is not one of ${known}`);
      assert.deepEqual([...known].sort(), [...bed.nodeNames].sort());
      await cancel(ref);
    });

    async function inventory(): Promise<Inventory> {
      const answer = await bed.slurm.inventory();
      assert.ok(answer.ok, `inventory: ${JSON.stringify(answer)}`);
      return answer.value;
    }

    /** Of the node; undefined while it is otherwise, for others may hold GPUs of it at times. */
    const untilUsed = (node: string, used: number): Promise<EquippedNode> =>
      until(`${used} GPUs of ${node} are held`, async () =>
        (await inventory()).nodes.find(({ name, gpus }) => name === node && gpus[0]?.used === used),
      );

    test('the inventory tells the same nodes with all their GPUs, and the version', async () => {
      const [known, { version, nodes }] = [await bed.slurm.nodes(), await inventory()];
      assert.ok(known.ok);
      assert.equal(version, bed.version);
      assert.deepEqual(
        nodes.map(({ name, address, gpus }) => ({
          name,
          address,
          gpus: gpus.map(({ type, total }) => ({ type, total })),
        })),
        known.value.map(({ name, address }) => ({ name, address, gpus: [{ type: '', total: bed.gpusPerNode }] })),
      );
    });

    test('GPUs a job holds are used for as long as it lives, and no longer', async () => {
      const ref = await submit(freshName(), 'runs', [`--gres=gpu:${bed.gpusPerNode}`]);
      const job = await untilPhase(ref, 'running');
      const [node = ''] = job.nodes;
      assert.deepEqual((await untilUsed(node, bed.gpusPerNode)).gpus, [
        { type: '', total: bed.gpusPerNode, used: bed.gpusPerNode },
      ]);
      await cancel(ref);
      await untilUsed(node, 0);
    });

    test('a script that exits 7 ends FAILED, and its exit code can be asked for', async () => {
      const ref = await submit(freshName(), 'exits-7');
      await untilPhase(ref, 'ended');
      const { state, exitCode, signal } = await ending(ref);
      assert.deepEqual({ state, exitCode, signal }, { state: 'FAILED', exitCode: 7, signal: 0 });
    });

    test('a script that exits 0 ends COMPLETED', async () => {
      const ref = await submit(freshName(), 'exits-0');
      const job = await untilPhase(ref, 'ended');
      const { state, exitCode, signal } = await ending(ref);
      assert.equal(job.state, 'COMPLETED');
      assert.deepEqual({ state, exitCode, signal }, { state: 'COMPLETED', exitCode: 0, signal: 0 });
    });

    test('a job that lives is not described as ended', async () => {
      const ref = await submit(freshName(), 'runs');
      await untilPhase(ref, 'running');
      assert.deepEqual(await bed.slurm.describe([ref]), { ok: true, value: [] });
      await cancel(ref);
    });

    test('history tells how a job of a name ended, or says that this cluster keeps none', async () => {
      const ref = await submit(freshName(), 'exits-7');
      await untilPhase(ref, 'ended');
      const ended = await until('an ending in history', async () => {
        const answer = await bed.slurm.history([freshName(), ref.name], ref.submitMs - 60_000);
        if (!answer.ok) return answer.error.kind;
        return answer.value.find((one) => one.name === ref.name && one.id === ref.id);
      });
      if (typeof ended === 'string') assert.deepEqual([ended, options.keepsAccounting], ['rejected', undefined]);
      else assert.deepEqual([ended.state, ended.exitCode], ['FAILED', options.historyHasNoExitCodes ? 0 : 7]);
    });

    test('a cancelled job ends CANCELLED, and the one beside it runs on', async () => {
      const [victim, bystander] = [await submit(freshName(), 'runs'), await submit(freshName(), 'runs')];
      await untilPhase(victim, 'running');
      await untilPhase(bystander, 'running');
      assert.deepEqual(await bed.slurm.cancel(victim), { ok: true, value: undefined });
      assert.equal((await untilPhase(victim, 'ended')).state, 'CANCELLED');
      assert.equal((await find(bystander.id, bystander.name))?.phase, 'running');
      await cancel(bystander);
    });

    test('cancelling an id under another name touches nothing and is no error', async () => {
      const ref = await submit(freshName(), 'runs');
      await untilPhase(ref, 'running');
      assert.deepEqual(await bed.slurm.cancel({ ...ref, name: freshName() }), { ok: true, value: undefined });
      await (bed.advance ? bed.advance(5000) : delay(1000));
      assert.equal((await find(ref.id, ref.name))?.phase, 'running');
      await cancel(ref);
    });

    test('cancelling what is over, or never was, is no error', async () => {
      const ref = await submit(freshName(), 'exits-0');
      const ended = await untilPhase(ref, 'ended');
      assert.deepEqual(await bed.slurm.cancel(ref), { ok: true, value: undefined });
      assert.deepEqual(await bed.slurm.cancel({ ...ref, id: '65000123' }), { ok: true, value: undefined });
      assert.deepEqual(await find(ref.id, ref.name), ended);
    });

    test('a script without an interpreter line is rejected, in words', async () => {
      const answer = await bed.slurm.submit({ name: freshName(), script: 'echo hello\n' });
      assert.ok(!answer.ok && answer.error.kind === 'rejected', JSON.stringify(answer));
      assert.match(answer.error.message, /does not look like a batch script/);
    });

    test('an unknown partition is rejected, in words', async () => {
      const jobName = freshName();
      const answer = await bed.slurm.submit({
        name: jobName,
        script: script(jobName, 'runs', ['--partition=nowhere']),
      });
      assert.ok(!answer.ok && answer.error.kind === 'rejected', JSON.stringify(answer));
      assert.match(answer.error.message, /[Ii]nvalid partition name specified/);
      assert.equal(
        (await listing()).jobs.find((job) => job.name === jobName),
        undefined,
      );
    });

    test('a job that may run nowhere is rejected or waits, and never starts', async () => {
      const jobName = freshName();
      const lines = [`--exclude=${bed.nodeNames.join(',')}`];
      const answer = await bed.slurm.submit({ name: jobName, script: script(jobName, 'runs', lines) });
      if (!answer.ok) return assert.equal(answer.error.kind, 'rejected');
      await (bed.advance ? bed.advance(10_000) : delay(1500));
      const job = await find(answer.value, jobName);
      assert.ok(job?.phase === 'pending');
      await cancel(refOf(job));
    });

    test('what a running job writes into its comment is in the listing', async () => {
      const jobName = freshName();
      const ref = await submit(jobName, 'reports');
      const said = await until('the report', async () => {
        const job = await find(ref.id, jobName);
        return job?.comment.includes('|phase=ready') ? job.comment : undefined;
      });
      assert.ok(said.startsWith(`${commentOf(jobName)}|`), said);
      assert.match(said, /\|port=20001(\||$)/);
      await cancel(ref);
    });

    test('the comment a job left stays with it after its end', async () => {
      const jobName = freshName();
      const ref = await submit(jobName, 'reports');
      await until(
        'the report',
        async () => (await find(ref.id, jobName))?.comment.includes('|phase=ready') || undefined,
      );
      await cancel(ref);
      assert.match((await find(ref.id, jobName))?.comment ?? '', /\|phase=ready/);
    });

    test('singleton twins never run together: the second waits and starts when the first is gone', async () => {
      const jobName = freshName();
      const first = await submit(jobName, 'runs', ['--dependency=singleton']);
      const second = await submit(jobName, 'runs', ['--dependency=singleton']);
      await untilPhase(first, 'running');
      const waiting = await until('the second waits for the first', async () => {
        const job = await find(second.id, jobName);
        return job?.reason === 'Dependency' ? job : undefined;
      });
      assert.equal(waiting.phase, 'pending');
      await cancel(first);
      await untilPhase(second, 'running');
      await cancel(second);
    });

    test('a job that outstays its time limit ends TIMEOUT', async () => {
      const ref = await submit(freshName(), 'runs', [`--time=${shortestTime}`]);
      assert.equal((await untilPhase(ref, 'ended')).state, 'TIMEOUT');
      assert.equal((await ending(ref)).state, 'TIMEOUT');
    });

    test('only jobs whose name begins with vllm. are listed', async () => {
      const foreign = `other-${run}`;
      const submitted = await bed.slurm.submit({ name: foreign, script: script(foreign, 'exits-0') });
      assert.ok(submitted.ok);
      assert.deepEqual(
        (await listing()).jobs.filter((job) => !job.name.startsWith('vllm.')),
        [],
      );
    });

    test('a burst of submissions is listed whole', async () => {
      const names = Array.from({ length: 8 }, freshName);
      const refs = await Promise.all(names.map((jobName) => submit(jobName, 'runs')));
      const listed = (await listing()).jobs.map((job) => job.name);
      assert.deepEqual(
        names.filter((jobName) => !listed.includes(jobName)),
        [],
      );
      assert.equal(new Set(refs.map((ref) => ref.id)).size, names.length);
      await cancel(...refs);
    });
  });
}

const commentOf = (jobName: string): string =>
  `vso1 uid=contract gen=1 hash=0a1b2c nonce=${jobName.split('.').at(-1)} owner=suite`;
