import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Directives, readDirectives } from '../../src/slurm/directives.ts';

const PLAIN: Directives = {
  comment: '',
  appendOutput: false,
  request: {
    nodes: 1,
    cpusPerNode: 1,
    gpusPerNode: 0,
    timeLimitSeconds: Number.POSITIVE_INFINITY,
    partitions: [],
    exclude: [],
    nodelist: [],
    singleton: false,
  },
};

const read = (...lines: readonly string[]) => readDirectives(['#!/bin/bash', ...lines, ''].join('\n'));
function readLine(line: string): Directives | string {
  const answer = read(`#SBATCH ${line}`);
  return answer.ok ? answer.value : answer.error;
}

test('a whole script is read as sbatch reads it', () => {
  const answer = read(
    '# a remark',
    '#SBATCH --job-name=vllm.default.llama.r0.a1',
    '#SBATCH --comment="vso1 uid=u gen=1 hash=ab nonce=x owner=o"',
    '#SBATCH --output=/logs/%x-%j.log',
    '#SBATCH --open-mode=append',
    '',
    '#SBATCH --nodes=1 --ntasks-per-node=1 --cpus-per-task=8',
    '#SBATCH --gres=gpu:h100:4',
    '#SBATCH --partition=gpu,short',
    '#SBATCH --time=1-12:00:00',
    '#SBATCH --signal=B:USR1@120',
    '#SBATCH --exclude=node[001-002],node007',
    '#SBATCH --nodelist=node009',
    '#SBATCH --dependency=singleton --no-requeue',
    '#SBATCH --account=ml --qos=normal --mem=64G',
    'echo begins',
    '#SBATCH --job-name=too-late',
  );
  assert.deepEqual(answer, {
    ok: true,
    value: {
      jobName: 'vllm.default.llama.r0.a1',
      comment: 'vso1 uid=u gen=1 hash=ab nonce=x owner=o',
      output: '/logs/%x-%j.log',
      appendOutput: true,
      warning: { signal: 'USR1', beforeSeconds: 120 },
      request: {
        nodes: 1,
        cpusPerNode: 8,
        gpusPerNode: 4,
        timeLimitSeconds: 129_600,
        partitions: ['gpu', 'short'],
        exclude: ['node001', 'node002', 'node007'],
        nodelist: ['node009'],
        singleton: true,
      },
    },
  });
});

test('a script without directives asks for one CPU and no more', () => {
  assert.deepEqual(read('echo hello'), { ok: true, value: PLAIN });
});

const SPELLINGS: readonly (readonly [string, Directives])[] = [
  ['--job-name x', { ...PLAIN, jobName: 'x' }],
  ['-J x', { ...PLAIN, jobName: 'x' }],
  ['-Jx', { ...PLAIN, jobName: 'x' }],
  [`--comment='it''s one'`, { ...PLAIN, comment: 'its one' }],
  ['--comment="a \\"quoted\\" word"', { ...PLAIN, comment: 'a "quoted" word' }],
  ['--comment=back\\ slash', { ...PLAIN, comment: 'back slash' }],
  ['--comment=x # a remark', { ...PLAIN, comment: 'x' }],
  ['--comment=x#y', { ...PLAIN, comment: 'x#y' }],
  ['--comment=""', PLAIN],
  ['-N 2 -c 4', { ...PLAIN, request: { ...PLAIN.request, nodes: 2, cpusPerNode: 4 } }],
  ['--time=0', PLAIN],
  ['--time=UNLIMITED', PLAIN],
  ['-t 5', { ...PLAIN, request: { ...PLAIN.request, timeLimitSeconds: 300 } }],
  ['--gres=gpu', { ...PLAIN, request: { ...PLAIN.request, gpusPerNode: 1 } }],
  ['--gres=gpu:2', { ...PLAIN, request: { ...PLAIN.request, gpusPerNode: 2 } }],
  ['--gres=gpu:1g.5gb:2', { ...PLAIN, request: { ...PLAIN.request, gpusPerNode: 2 } }],
  ['--gres=gpu:a100-sxm4', { ...PLAIN, request: { ...PLAIN.request, gpusPerNode: 1 } }],
  ['--gpus-per-node=h100:2', { ...PLAIN, request: { ...PLAIN.request, gpusPerNode: 2 } }],
  ['-N 2 --gpus=4', { ...PLAIN, request: { ...PLAIN.request, nodes: 2, gpusPerNode: 2 } }],
  ['--signal=B:SIGTERM', { ...PLAIN, warning: { signal: 'TERM', beforeSeconds: 60 } }],
  ['--signal=USR1@120', PLAIN],
  ['--exclusive --nice --mail-type=END -H', PLAIN],
  ['--nice=5 --begin=now', PLAIN],
];
for (const [line, expected] of SPELLINGS) {
  test(`#SBATCH ${line} is understood`, () => assert.deepEqual(readLine(line), expected));
}

const MISTAKES: readonly (readonly [string, string])[] = [
  ['--no-such-option=1', "unrecognized option '--no-such-option=1'"],
  ['stray', "unrecognized option 'stray'"],
  ['--time=lots', 'Invalid --time specification'],
  ['--gres=tpu:1', 'Invalid generic resource (gres) specification'],
  ['--nodes=none', 'Invalid node count: none'],
  ['--cpus-per-task=0', 'Invalid numeric value for a CPU count'],
  ['--exclude=node[1-', 'Invalid node name specified'],
  ['--job-name', "option '--job-name' requires an argument"],
];
for (const [line, words] of MISTAKES) {
  test(`#SBATCH ${line} is refused in words`, () => assert.equal(readLine(line), words));
}

test('a script that names no interpreter is refused', () => {
  const answer = readDirectives('echo hello\n');
  assert.match(answer.ok ? '' : answer.error, /^This does not look like a batch script/);
});
