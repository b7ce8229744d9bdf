import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { workspace } from './workspace.ts';

const SERVE = readFileSync(new URL('../../config/launch/serve.sh', import.meta.url), 'utf8');

test('an export is the whole job as a script of its own, without any mark of an operator', async () => {
  await using here = workspace();
  here.deployment(
    'qwen',
    { replicas: 2, model: { uri: 'hf://a/b', name: 'qwen' }, slurm: { partitions: ['gpu'] } },
    {},
  );
  await here.serve();
  const { code, stdout, stderr } = await here.run('export', 'qwen', '--set', 'defaults.account=ml');
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  assert.ok(stdout.endsWith(SERVE));
  const head = stdout.slice(0, -SERVE.length).split('\n');
  assert.deepEqual(head.slice(0, head.indexOf('VSO_MODULES=()')), [
    '#!/bin/bash',
    '# qwen, as a job of its own: submit with sbatch. Each submission is one copy of qwen.',
    '# The deployment has 2 replicas: submit it as often.',
    "# Where it answers, and how far it is: squeue -n qwen -o '%i %T %N %k' (node, port and phase are in the comment).",
    '# Its log is qwen-JOBID.log where it was submitted. When its time is over it ends: submit it again.',
    '#',
    '#SBATCH --job-name=qwen',
    '#SBATCH --comment=qwen',
    '#SBATCH --output=%x-%j.log',
    '#SBATCH --open-mode=append',
    '#SBATCH --export=NONE',
    '#SBATCH --requeue',
    '#SBATCH --nodes=1',
    '#SBATCH --ntasks-per-node=1',
    '#SBATCH --gres=gpu:1',
    '#SBATCH --partition=gpu',
    '#SBATCH --account=ml',
    'VSO_MARKER=qwen',
  ]);
});

test('a secret stays out of it: its file is named, and how to make it', async () => {
  await using here = workspace();
  here.deployment(
    'llama',
    { endpoint: { apiKeyFrom: { env: 'LLAMA_KEY' } }, model: { uri: 'hf://a/b', tokenFrom: { file: '/secrets/hf' } } },
    {},
  );
  await here.serve();
  const { code, stdout, stderr } = await here.run('export', 'llama');
  assert.equal(code, 0);
  const file = join(here.home, '.config/vllm-slurm/secrets/llama.api-key');
  assert.match(stdout, /^VSO_HF_TOKEN_FILE=\/secrets\/hf$/m);
  assert.ok(stdout.includes(`\nVSO_API_KEY_FILE=${file}\n`));
  assert.deepEqual(stderr.split('\n'), [
    'note: before it is submitted: /secrets/hf must hold the token of the Hugging Face hub on the compute nodes too, readable by you alone',
    `note: before it is submitted: put the key of the endpoint into ${file}, readable by you alone: mkdir -p ${join(file, '..')} && (umask 077; cat > ${file})`,
    '',
  ]);
});

test('a file is written whole, and not over another; one that is not there is told', async () => {
  await using here = workspace();
  here.deployment('qwen', {}, {});
  await here.serve();
  const printed = await here.run('export', 'qwen');
  assert.deepEqual(await here.run('export', 'qwen', '-o', 'qwen.sbatch'), { code: 0, stdout: '', stderr: '' });
  assert.equal(readFileSync(join(here.home, 'qwen.sbatch'), 'utf8'), printed.stdout);
  writeFileSync(join(here.home, 'mine'), 'mine');
  const refused = await here.run('export', 'qwen', '-o', 'mine');
  assert.deepEqual(refused, {
    code: 1,
    stdout: '',
    stderr: `error: ${join(here.home, 'mine')} exists already; --force replaces what is there\n`,
  });
  assert.match((await here.run('export', 'qwem')).stderr, /NotFound.*"qwem" not found\. Did you mean "qwen"\?/);
});
