import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Workspace, workspace } from './workspace.ts';

const RECORDED = readFileSync(fileURLToPath(new URL('../fixtures/slurm/22.05.8/site.txt', import.meta.url)), 'utf8');
const PROGRAMS = ['sbatch', 'squeue', 'scancel', 'scontrol', 'sinfo', 'sacct', 'sacctmgr'];

/** Programs of SLURM's that answer what was recorded, and nothing else. @returns where they are */
function recordedSite(here: Workspace, recorded: string): string {
  const directory = path.join(here.home, 'bin');
  mkdirSync(directory);
  const answers = recorded.split(/^\$ /m).slice(1);
  for (const program of PROGRAMS) {
    const cases = answers
      .filter((answer) => answer.startsWith(`${program} `))
      .map((answer, index) => {
        const [command = '', ...output] = answer.split('\n');
        const file = path.join(directory, `${program}.${index}`);
        writeFileSync(file, output.join('\n'));
        return `  '${command.replace(`${program} `, '').replace(/user=\w+|name=root/, `${/user=|name=/.exec(command)?.[0] ?? ''}${os.userInfo().username}`)}') cat '${file}';;`;
      });
    const file = path.join(directory, program);
    const version = `  --version) echo 'slurm-wlm 22.05.8';;`;
    writeFileSync(file, ['#!/bin/sh', 'case "$*" in', version, ...cases, '  *) exit 1;;', 'esac', ''].join('\n'));
    chmodSync(file, 0o755);
  }
  return directory;
}

const FILE = `apiVersion: vllm-slurm.dev/v1alpha1
kind: VLLMDeployment
metadata: { name: big }
spec:
  model: { uri: hf://a/b }
  resources: { nodes: 1, gpusPerNode: 8 }
  slurm: { partitions: [gpu] }
`;

test('what is found is told with its meaning and what to do, and errors are in the exit code', async () => {
  await using here = workspace();
  const slurm = ['--cluster', 'slurm', '--set', `cluster.binDirectory=${recordedSite(here, clockNow(RECORDED))}`];
  const well = await here.run('doctor', ...slurm);
  assert.deepEqual(
    { code: well.code, stderr: well.stderr },
    { code: 0, stderr: 'Nothing is wrong with what was looked at.\n' },
    well.stdout,
  );
  const asked = await here.runWithInput(FILE, 'doctor', '-f', '-', ...slurm);
  assert.deepEqual({ code: asked.code, stderr: asked.stderr }, { code: 1, stderr: '1 error, 0 warnings\n' });
  assert.deepEqual(
    asked.stdout.split('\n').filter((line) => !/^(ok|not looked at) /.test(line)),
    [
      'error         placement   partitions, their nodes, GPUs and limits, against what deployments ask',
      '  error: default/big: partition gpu has 0 nodes that could run a part of it, and it takes 1: 4 of 8 GPUs on a node; 6 of 8 GPUs on a node; 0 of 8 GPUs on a node',
      '    means: SLURM refuses the job, or it waits for ever',
      '    do:    ask for less in resources, or name another partition',
      '',
    ],
  );
});

test('as JSON each check has its state, and nothing else is on stdout', async () => {
  await using here = workspace();
  const { code, stdout } = await here.run('doctor', '--json');
  const { checks, findings } = JSON.parse(stdout);
  assert.deepEqual([code, findings], [0, []]);
  assert.deepEqual(
    checks.flatMap(({ check, state }: { check: string; state: string }) => (state === 'ok' ? [check] : [])),
    ['cluster', 'deployments', 'fit', 'directories', 'caches', 'engine', 'hub', 'ports'],
  );
});

/** The recorded controller says what time it was then. */
function clockNow(recorded: string): string {
  return recorded.replace(/as of \S+/, `as of ${Math.round(Date.now() / 1000)}`);
}
