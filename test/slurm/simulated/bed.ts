import assert from 'node:assert/strict';
import type { Job, JobRef } from '../../../src/slurm/job.ts';
import { createSimulatedSlurm, type SimulatedOptions } from '../../../src/slurm/simulated/simulated.ts';
import { createManualClock } from '../../gen/manual-clock.ts';

/** A simulated cluster with the few phrases its tests are told in. */
export function simulatedBed(options: Partial<SimulatedOptions> = {}) {
  const clock = createManualClock();
  const made = createSimulatedSlurm({ clock, ...options });
  const { slurm } = made;

  const send = (name: string, ...lines: readonly string[]) => slurm.submit({ name, script: scriptOf(name, ...lines) });

  async function submit(name: string, ...lines: readonly string[]): Promise<string> {
    const answer = await send(name, ...lines);
    assert.ok(answer.ok, JSON.stringify(answer));
    return answer.value;
  }

  async function list(): Promise<readonly Job[]> {
    const answer = await slurm.listJobs();
    assert.ok(answer.ok, JSON.stringify(answer));
    return answer.value.jobs;
  }

  /** `ID STATE REASON` of every listed job. */
  const states = async () => (await list()).map((job) => `${job.id} ${job.state} ${job.reason}`);

  async function refTo(id: string): Promise<JobRef> {
    const job = (await list()).find((one) => one.id === id);
    assert.ok(job, `job ${id} is not listed`);
    return job;
  }

  return { ...made, clock, send, submit, list, states, refTo };
}

export const MARKER = 'vso1 uid=u gen=1 hash=ab nonce=x owner=o';
export const NAME = 'vllm.default.llama.r0.a1';

export function scriptOf(name: string, ...lines: readonly string[]): string {
  const directives = [`--job-name=${name}`, `--comment="${MARKER}"`, '--gres=gpu:4', ...lines];
  return ['#!/bin/bash', ...directives.map((line) => `#SBATCH ${line}`), 'serve', ''].join('\n');
}
