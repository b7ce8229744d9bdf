import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../../src/clock.ts';
import { createLocalCluster } from '../../../src/slurm/local/local.ts';
import { localBed } from './bed.ts';

const open = (directory: string) => createLocalCluster({ directory, clock: systemClock, gpus: 1, cpus: 1 });

test('a directory in use is refused to a second operator, with the first one’s number', async (t) => {
  const bed = await localBed(t);
  assert.deepEqual(await open(bed.directory), {
    ok: false,
    error: `${bed.directory} is in use by process ${process.pid}; only one operator may run a local cluster's directory`,
  });
});

test('the lock of a dead operator is taken over, also when its number is in use again', async (t) => {
  const bed = await localBed(t);
  await bed.restart(async () => {
    writeFileSync(join(bed.directory, 'lock'), `${process.pid} 1`);
  });
  assert.deepEqual(await bed.list(), []);
});

test('closing lets go of the directory, and a closed cluster answers nothing', async (t) => {
  const bed = await localBed(t);
  const first = bed.slurm();
  await bed.restart();
  const answer = await first.listJobs();
  assert.deepEqual(answer, { ok: false, error: { kind: 'unreachable', message: 'the local cluster is closed' } });
});

test('a job record that cannot be read stops the cluster from opening, and is named', async (t) => {
  const bed = await localBed(t);
  const folder = join(bed.directory, 'jobs', '99');
  await bed.slurm().close();
  mkdirSync(folder);
  writeFileSync(join(folder, 'job.json'), '{"id":');
  const answer = await open(bed.directory);
  assert.deepEqual(answer, {
    ok: false,
    error: `${bed.directory}: ${join(folder, 'job.json')} is no job record`,
  });
  rmSync(folder, { recursive: true });
  await bed.restart();
});

test('half a submission, left by an operator that died, is no job', async (t) => {
  const bed = await localBed(t);
  await bed.restart(async () => {
    const draft = join(bed.directory, 'jobs', 'new-5');
    mkdirSync(draft);
    writeFileSync(join(draft, 'script'), '#!/bin/sh\n');
  });
  assert.deepEqual([await bed.list(), readdirSync(join(bed.directory, 'jobs'))], [[], []]);
});

test('a directory that takes no writing refuses the submission, and nothing is run', async (t) => {
  const bed = await localBed(t);
  const jobs = join(bed.directory, 'jobs');
  // A file in the way of the next job's draft: this holds for root as well.
  writeFileSync(join(jobs, 'new-1'), '');
  const answer = await bed.slurm().submit({ name: 'vllm.a.b.r0.a1', script: '#!/bin/sh\nexit 0\n' });
  assert.equal(!answer.ok && answer.error.kind, 'unreachable');
  assert.deepEqual(await bed.list(), []);
});
