import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../../src/clock.ts';
import type { Job, JobRef } from '../../../src/slurm/job.ts';
import { createLocalCluster, type LocalCluster, type LocalOptions } from '../../../src/slurm/local/local.ts';

const DEADLINE_MS = 60_000;

/** A local cluster in a directory of its own, gone with all its processes when the test is over. */
export async function localBed(t: { after(run: () => Promise<void>): void }, options: Partial<LocalOptions> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'vllm-slurm-local-'));
  const open = async (): Promise<LocalCluster> => {
    const made = await createLocalCluster({ directory, clock: systemClock, gpus: 2, cpus: 8, ...options });
    assert.ok(made.ok, JSON.stringify(made));
    return made.value;
  };
  let cluster = await open();
  t.after(async () => {
    await cluster.cancelAll();
    await cluster.close();
    await rm(directory, { recursive: true });
  });

  /** The operator is gone and another one opens the directory. */
  async function restart(meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    await cluster.close();
    await meanwhile();
    cluster = await open();
  }

  async function submit(name: string, ...lines: readonly string[]): Promise<JobRef> {
    const script = ['#!/bin/bash', `#SBATCH --job-name=${name} --comment=marker`, ...lines, ''].join('\n');
    const answer = await cluster.submit({ name, script });
    assert.ok(answer.ok, JSON.stringify(answer));
    return { id: answer.value, name, user: 'me', submitMs: 0 };
  }

  async function list(): Promise<readonly Job[]> {
    const answer = await cluster.listJobs();
    assert.ok(answer.ok, JSON.stringify(answer));
    return answer.value.jobs;
  }

  const jobOf = async (ref: JobRef): Promise<Job | undefined> => (await list()).find((job) => job.id === ref.id);

  function untilPhase(ref: JobRef, phase: Job['phase']): Promise<Job> {
    return until(`${ref.name} ${phase}`, async () => {
      const job = await jobOf(ref);
      return job?.phase === phase ? job : undefined;
    });
  }

  async function endingOf(ref: JobRef) {
    await untilPhase(ref, 'ended');
    const answer = await cluster.describe([ref]);
    assert.ok(answer.ok && answer.value[0], JSON.stringify(answer));
    const { state, exitCode, signal, reason } = answer.value[0];
    return { state, exitCode, signal, reason };
  }

  /** What a job wrote to a file of its own folder, once there is a whole line of it. */
  function written(ref: JobRef, file: string): Promise<string> {
    return lineOf(join(directory, 'jobs', ref.id, 'work', file));
  }

  /** A whole line of a file, once there is one. */
  function lineOf(path: string): Promise<string> {
    return until(path, async () => {
      const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
      return text.endsWith('\n') ? text.trimEnd() : undefined;
    });
  }

  /** A job as an operator leaves it that dies right after it wrote down that the job starts. */
  function plantStarted(id: string, files: Readonly<Record<string, string>>): JobRef {
    const folder = join(directory, 'jobs', id);
    const name = `vllm.planted.job.r0.a${id}`;
    const head = {
      id,
      name,
      user: 'me',
      comment: 'marker',
      submitMs: Date.now(),
      token: `PLANTED_JOB=${directory}/${id}`,
    };
    mkdirSync(join(folder, 'work'), { recursive: true });
    const started = { phase: 'started', startMs: Date.now(), cpus: 1, gpus: [], cancelled: false };
    writeFileSync(join(folder, 'job.json'), JSON.stringify({ ...head, ...started }));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text, { mode: 0o700 });
    return { id, name, user: head.user, submitMs: head.submitMs };
  }

  const slurm = (): LocalCluster => cluster;
  const fileOf = (ref: JobRef, file: string): string => join(directory, 'jobs', ref.id, file);
  return {
    directory,
    slurm,
    restart,
    submit,
    list,
    jobOf,
    untilPhase,
    endingOf,
    written,
    lineOf,
    fileOf,
    plantStarted,
  };
}

export async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  for (const endMs = Date.now() + DEADLINE_MS; Date.now() < endMs; ) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await delay(20);
  }
  return assert.fail(`${what}: not within ${DEADLINE_MS} ms`);
}

/** Zombies are dead: only their parent has not heard of it yet. */
export function isRunning(pid: string): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}
