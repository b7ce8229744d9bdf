import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { capOutput } from '../../../src/slurm/local/output.ts';
import { localBed, until } from './bed.ts';

test('a job has the variables Slurm gives and no secret of the operator', async (t) => {
  const environment = { PATH: process.env.PATH ?? '', HOME: '/home/somebody' };
  const bed = await localBed(t, { environment, nodeName: 'laptop', gpusAreReal: true });
  const ref = await bed.submit(
    'vllm.a.b.r0.a1',
    '#SBATCH --gres=gpu:2 --cpus-per-task=3',
    'env | grep -E "^(SLURM|CUDA|HOME)" | grep -v -E "_(TIME|DIR|USER)=" | sort >env.new && mv env.new env',
  );
  assert.deepEqual((await bed.written(ref, 'env')).split('\n'), [
    'CUDA_VISIBLE_DEVICES=0,1',
    'HOME=/home/somebody',
    'SLURMD_NODENAME=laptop',
    'SLURM_CLUSTER_NAME=local',
    'SLURM_CPUS_ON_NODE=3',
    'SLURM_CPUS_PER_TASK=3',
    'SLURM_GPUS_ON_NODE=2',
    `SLURM_JOBID=${ref.id}`,
    'SLURM_JOB_CPUS_PER_NODE=3',
    'SLURM_JOB_GPUS=0,1',
    `SLURM_JOB_ID=${ref.id}`,
    'SLURM_JOB_NAME=vllm.a.b.r0.a1',
    'SLURM_JOB_NODELIST=laptop',
    'SLURM_JOB_NUM_NODES=1',
    'SLURM_JOB_PARTITION=local',
    'SLURM_LOCALID=0',
    'SLURM_NNODES=1',
    'SLURM_NODEID=0',
    'SLURM_NODELIST=laptop',
    'SLURM_NTASKS=1',
    'SLURM_PROCID=0',
  ]);
});

test('two jobs are granted different GPUs, and a third waits until one is free', async (t) => {
  const bed = await localBed(t, { gpusAreReal: true });
  const body = ['#SBATCH --gres=gpu:1', 'echo "$CUDA_VISIBLE_DEVICES" >gpus; exec sleep 600'];
  const refs = [];
  for (const attempt of [1, 2, 3]) refs.push(await bed.submit(`vllm.a.b.r0.a${attempt}`, ...body));
  const [first, second, third] = refs;
  assert.ok(first && second && third);
  assert.deepEqual([await bed.written(first, 'gpus'), await bed.written(second, 'gpus')], ['0', '1']);
  assert.deepEqual((await bed.jobOf(third))?.reason, 'Resources');
  await bed.slurm().cancel(first);
  await bed.untilPhase(third, 'running');
  assert.equal(await bed.written(third, 'gpus'), '0');
});

test('virtual GPUs are counted and no device is named', async (t) => {
  const bed = await localBed(t);
  const ref = await bed.submit(
    'vllm.a.b.r0.a1',
    '#SBATCH --gres=gpu:2',
    'printenv CUDA_VISIBLE_DEVICES >gpus || echo unset >gpus',
  );
  assert.equal(await bed.written(ref, 'gpus'), 'unset');
});

test('output goes where --output says, appended when it says so', async (t) => {
  const bed = await localBed(t);
  const pattern = join(bed.directory, '%x-%j.log');
  const ref = await bed.submit('vllm.a.b.r0.a1', `#SBATCH --output=${pattern}`, 'echo out; echo error >&2');
  await bed.untilPhase(ref, 'ended');
  assert.equal(readFileSync(join(bed.directory, `vllm.a.b.r0.a1-${ref.id}.log`), 'utf8'), 'out\nerror\n');

  const shared = join(bed.directory, 'shared.log');
  writeFileSync(shared, 'before\n');
  const line = `#SBATCH --output=${shared} --open-mode=append`;
  await bed.untilPhase(await bed.submit('vllm.a.b.r0.a2', line, 'echo after'), 'ended');
  assert.equal(readFileSync(shared, 'utf8'), 'before\nafter\n');
});

test('a job whose output directory is missing runs without output', async (t) => {
  const bed = await localBed(t);
  const line = `#SBATCH --output=${join(bed.directory, 'missing', '%j.log')}`;
  const ref = await bed.submit('vllm.a.b.r0.a1', line, 'echo lost');
  assert.equal((await bed.untilPhase(ref, 'ended')).state, 'COMPLETED');
});

test('an output that grew too large keeps its later half, from a whole line on', async (t) => {
  const bed = await localBed(t);
  const path = join(bed.directory, 'large.log');
  const lines = Array.from({ length: 1000 }, (_, index) => `line ${String(index).padStart(4, '0')}\n`);
  writeFileSync(path, lines.join(''));
  capOutput(path, 10_000);
  assert.equal(readFileSync(path, 'utf8').length, 10_000);
  capOutput(path, 9999);
  assert.equal(readFileSync(path, 'utf8'), lines.slice(501).join(''));
  assert.ok(statSync(path).size <= 5000);
});

test('a job may ask where its node is, as the script on a real cluster does', async (t) => {
  const bed = await localBed(t);
  const ref = await bed.submit(
    'vllm.a.b.r0.a1',
    '{ scontrol show node "$SLURMD_NODENAME"; scontrol show hostnames "$SLURM_JOB_NODELIST"; } >new; mv new answer',
  );
  assert.equal(
    await bed.written(ref, 'answer'),
    'NodeName=localhost NodeAddr=127.0.0.1 NodeHostName=localhost State=MIXED\nlocalhost',
  );
});

test('a comment may hold any characters, and is whole whenever it is read', async (t) => {
  const bed = await localBed(t);
  const comment = `vso1 uid=u|why=it's "so": $(no) \\ %s|ä`;
  writeFileSync(join(bed.directory, 'comment.txt'), comment);
  const ref = await bed.submit(
    'vllm.a.b.r0.a1',
    `scontrol update jobid="$SLURM_JOB_ID" comment="$(cat ${join(bed.directory, 'comment.txt')})"`,
    'exec sleep 600',
  );
  const seen = await until('the comment', async () => {
    const said = (await bed.jobOf(ref))?.comment;
    return said === 'marker' ? undefined : said;
  });
  assert.equal(seen, comment);
});

test('a job cannot change the comment of one that is not there, or anything but the comment', async (t) => {
  const bed = await localBed(t);
  const ref = await bed.submit(
    'vllm.a.b.r0.a1',
    'for words in "jobid=4711 comment=x" "jobid=../1 comment=x" "jobid=$SLURM_JOB_ID priority=1"; do',
    // The words are meant to be split.
    '  scontrol update $words 2>>said; echo "$?" >>said',
    'done; mv said answer',
  );
  assert.equal(
    await bed.written(ref, 'answer'),
    [
      'scontrol: Invalid job id specified\n1',
      'scontrol: Invalid job id specified\n1',
      'scontrol: cannot change here: priority=1\n1',
    ].join('\n'),
  );
});

test('scancel --batch reaches the script alone, --full its children too, and a bare scancel ends the job', async (t) => {
  const bed = await localBed(t);
  const ref = await bed.submit(
    'vllm.a.b.r0.a1',
    'bash -c \'trap "echo child >>heard" USR1; echo up >up; while :; do sleep 0.1; done\' &',
    "trap 'echo script >>heard' USR1",
    'until [ -e up ]; do sleep 0.05; done',
    'scancel --signal=USR1 "$SLURM_JOB_ID"; echo steps >>heard',
    'scancel --batch --signal=USR1 "$SLURM_JOB_ID"; echo batch >>heard',
    'scancel --full --signal=SIGUSR1 "$SLURM_JOB_ID"',
    'until grep -q child heard; do sleep 0.05; done',
    'sort heard >sorted; mv sorted answer; scancel "$SLURM_JOB_ID"; sleep 600',
  );
  assert.deepEqual((await bed.written(ref, 'answer')).split('\n'), ['batch', 'child', 'script', 'script', 'steps']);
  assert.equal((await bed.endingOf(ref)).state, 'CANCELLED');
});
