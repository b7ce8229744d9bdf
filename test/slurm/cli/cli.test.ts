import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../../src/clock.ts';
import { err, ok } from '../../../src/result.ts';
import { createSlurmCli } from '../../../src/slurm/cli/cli.ts';
import { standInPrograms } from './programs.ts';

/** Stand-ins by program name; each notes that it was called. */
async function cluster(t: TestContext, bodies: Readonly<Record<string, string>>) {
  const programs = await standInPrograms(t);
  for (const [name, body] of Object.entries(bodies)) {
    await programs.write(name, `printf '%s %s\\n' ${name} "$*" >> $HERE/calls\n${body}`);
  }
  const slurm = createSlurmCli({
    cluster: 'lab',
    clock: { ...systemClock, now: () => 5_000_000 },
    binDirectory: `${programs.directory}/bin`,
    timeoutMs: 60_000,
  });
  t.after(() => slurm.close());
  return { slurm, calls: () => programs.read('calls') };
}

const REF = { id: '61', name: 'vllm.a.b.r0.a1', user: 'op', submitMs: 1795499346_000 };
/** Answers as squeue does: the format's codes replaced by one job's values. */
const SQUEUE = `for word; do case $word in --format=*) format=\${word#--format=};; esac; done
echo "$format" | sed 's/%A/61/;s/%T/RUNNING/;s/%V/1795499346/;s/%S/1795499347/;s/%e/NONE/;s/%P/gpu/;s/%u/op/;s/%N/n1/;s/%r/None/;s/%j/${REF.name}/;s/%k/(null)/'`;

test('a listing is one call, of the time it was asked for', async (t) => {
  const { slurm, calls } = await cluster(t, { squeue: SQUEUE });
  assert.deepEqual(
    await slurm.listJobs(),
    ok({
      jobs: [
        {
          ...REF,
          user: 'op',
          partition: 'gpu',
          reason: 'None',
          nodes: ['n1'],
          comment: '',
          phase: 'running',
          state: 'RUNNING',
          startMs: 1795499347_000,
        },
      ],
      askedAtMs: 5_000_000,
      bytes: 97,
    }),
  );
  assert.match(await calls(), /^squeue --noheader --me --all --states=all --format=@[0-9a-f]{6}@%A=.*\n$/);
});

test('a listing that fails, is silent about failing, or is not heard out is never an empty one', async (t) => {
  const away = 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)';
  const bodies = [`echo "${away}" >&2; exit 1`, `echo "${away}" >&2; exit 0`, 'exit 1', 'kill -9 $$', 'printf cut'];
  const kinds = await Promise.all(
    bodies.map(async (squeue) => {
      const listing = await (await cluster(t, { squeue })).slurm.listJobs();
      return listing.ok || listing.error.kind;
    }),
  );
  assert.deepEqual(kinds, ['unreachable', 'unreachable', 'unknown', 'unknown', 'unknown']);
});

test('any number of jobs is described in one process, those no longer known left out', async (t) => {
  const { slurm, calls } = await cluster(t, {
    scontrol: `while read -r a b id; do case $id in
      61) echo "JobId=61 JobName=${REF.name} JobState=FAILED Reason=NonZeroExitCode ExitCode=7:0 SubmitTime=1795499346 StartTime=1795499347 EndTime=1795499349 NodeList=n1 ";;
      62) echo "slurm_load_jobs error: Invalid job id specified" >&2;;
    esac; done; exit 1`,
  });
  assert.deepEqual(
    await slurm.describe([REF, { ...REF, id: '62' }]),
    ok([
      {
        id: REF.id,
        name: REF.name,
        submitMs: REF.submitMs,
        state: 'FAILED',
        exitCode: 7,
        signal: 0,
        reason: 'NonZeroExitCode',
        nodes: ['n1'],
        failedNodes: [],
        startMs: 1795499347_000,
        endMs: 1795499349_000,
      },
    ]),
  );
  assert.equal(await calls(), 'scontrol --oneliner\n');
});

test('accounting is asked in bounded calls, and its version once', async (t) => {
  const { slurm, calls } = await cluster(t, { sinfo: 'echo slurm 24.11.5', sacct: 'exit 0' });
  const names = Array.from({ length: 401 }, (_, i) => `vllm.a.b.r0.a${i + 1}`);
  assert.deepEqual(
    [await slurm.history(names, 1_000_000), await slurm.history(names.slice(0, 1), 1_000_000)],
    [ok([]), ok([])],
  );
  const lines = (await calls()).trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => [line.split(' ')[0], (line.match(/vllm\./g) ?? []).length]),
    [
      ['sinfo', 0],
      ['sacct', 200],
      ['sacct', 200],
      ['sacct', 1],
      ['sacct', 1],
    ],
  );
});

test('what jobs hold of the nodes is asked only for an inventory, and the version is the controller’s', async (t) => {
  const { slurm, calls } = await cluster(t, {
    sinfo: `case "$*" in
      *GresUsed*) echo 'n1=mixed-=10.0.0.1=gpu:h100:4(S:0-1)=gpu:h100:3(IDX:0-2)'; echo 'n2=idle=10.0.0.2=(null)=';;
      *) echo 'n1=mixed-=10.0.0.1';;
    esac`,
    scontrol: 'echo "SLURM_VERSION           = 26.05.5"',
  });
  const n1 = { name: 'n1', address: '10.0.0.1', state: 'mixed' };
  assert.deepEqual(await slurm.nodes(), ok([n1]));
  assert.equal(await calls(), 'sinfo --noheader --Node --all --format=%N=%T=%o\n');
  assert.deepEqual(
    await slurm.inventory(),
    ok({
      version: '26.05.5',
      nodes: [
        { ...n1, gpus: [{ type: 'h100', total: 4, used: 3 }] },
        { name: 'n2', address: '10.0.0.2', state: 'idle', gpus: [] },
      ],
    }),
  );
  assert.deepEqual((await calls()).split('\n').slice(1, -1), [
    'sinfo --noheader --Node --all --Format=NodeList:=,StateLong:=,NodeAddr:=,Gres:=,GresUsed:',
    'scontrol show config',
  ]);
});

test('nothing is asked when there is nothing to ask', async (t) => {
  const { slurm, calls } = await cluster(t, { sinfo: 'exit 1', sacct: 'exit 1', scontrol: 'exit 1' });
  assert.deepEqual([await slurm.describe([]), await slurm.history([], 0)], [ok([]), ok([])]);
  assert.equal(await calls(), '');
});

test('a job that is not named as ours is neither described nor cancelled', async (t) => {
  const { slurm, calls } = await cluster(t, { scancel: 'exit 0', scontrol: 'exit 0' });
  for (const ref of ['other', 'vllm.a,vllm.b', 'vllm.a b', 'vllm.$(id)'].map((name) => ({ ...REF, name }))) {
    assert.deepEqual([await slurm.describe([ref]), await slurm.cancel(ref)], [ok([]), ok(undefined)]);
  }
  assert.deepEqual(await slurm.cancel({ ...REF, id: '61 62' }), ok(undefined));
  assert.equal(await calls(), '');
});

test('a name that could be read as anything but one word is not submitted', async (t) => {
  const { slurm, calls } = await cluster(t, { sbatch: 'echo 1' });
  for (const name of ['vllm.a,vllm.b', 'vllm.a b', 'vllm.$(id)', '']) {
    const answer = await slurm.submit({ name, script: '#!/bin/sh\n' });
    assert.deepEqual(answer, err({ kind: 'rejected', message: `not a job name: ${name}` }));
  }
  assert.equal(await calls(), '');
});

test('a submission answers with the id and a cancellation names the job fully', async (t) => {
  const { slurm, calls } = await cluster(t, {
    sbatch: 'read -r first; echo "61;lab"; echo "$first" >> $HERE/calls',
    scancel: '',
  });
  assert.deepEqual(
    [await slurm.submit({ name: REF.name, script: '#!/bin/sh\n' }), await slurm.cancel(REF)],
    [ok('61'), ok(undefined)],
  );
  assert.deepEqual(
    await calls(),
    `sbatch --parsable --job-name=${REF.name}\n#!/bin/sh\nscancel --me --name=${REF.name} 61\n`,
  );
});
