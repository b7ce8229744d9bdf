import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { submissionBody } from '../../../src/slurm/rest/submission.ts';
import { named } from './recorded.ts';

const NAME = 'vllm.ml.chat.r0.a1';
const script = (...lines: readonly string[]) =>
  ['#!/bin/bash', ...lines.map((line) => `#SBATCH ${line}`), 'exit 0'].join('\n');

/** Every option the operator itself writes. */
const ALL = script(
  `--job-name=${NAME}`,
  '--comment="vso1 uid=1 gen=1"',
  '--output=/logs/%x-%j.log',
  '--open-mode=append',
  '--export=NONE',
  '--no-requeue',
  '--dependency=singleton',
  '--nodes=2',
  '--ntasks-per-node=1',
  '--gres=gpu:h100:4',
  '--cpus-per-task=8',
  '--mem=64G',
  '--partition=gpu,long',
  '--account=ml',
  '--qos=high',
  '--time=1-00:00:30',
  '--signal=B:USR1@120',
  '--reservation=r1',
  '--constraint=ib',
  '--licenses=a:1',
);
const number = (value: number) => ({ set: true, infinite: false, number: value });

describe('the description of a job', () => {
  it('has a word for every option the operator writes, as 22.05 wants it', () => {
    const body = submissionBody({ name: NAME, script: ALL }, named('v0.0.38'));
    assert.ok(body.ok, JSON.stringify(body));
    assert.deepEqual(JSON.parse(body.value), {
      script: ALL,
      job: {
        current_working_directory: '/',
        standard_output: '/logs/%x-%j.log',
        environment: { SLURM_GET_USER_ENV: '1' },
        name: NAME,
        comment: 'vso1 uid=1 gen=1',
        open_mode: 'append',
        no_requeue: true,
        dependency: 'singleton',
        nodes: '2',
        tasks_per_node: 1,
        gres: 'gpu:h100:4',
        cpus_per_task: 8,
        memory_per_node: 65_536,
        partition: 'gpu,long',
        account: 'ml',
        qos: 'high',
        time_limit: 1441,
        reservation: 'r1',
        constraints: 'ib',
        licenses: 'a:1',
      },
    });
  });

  it('and as later versions do', () => {
    const body = submissionBody({ name: NAME, script: ALL }, named('v0.0.45'));
    assert.ok(body.ok, JSON.stringify(body));
    assert.deepEqual(JSON.parse(body.value), {
      job: {
        script: ALL,
        current_working_directory: '/',
        standard_output: '/logs/%x-%j.log',
        environment: ['SLURM_GET_USER_ENV=1'],
        name: NAME,
        comment: 'vso1 uid=1 gen=1',
        open_mode: ['APPEND'],
        requeue: false,
        dependency: 'singleton',
        nodes: '2',
        tasks_per_node: 1,
        tres_per_node: 'gres/gpu:h100:4',
        cpus_per_task: 8,
        memory_per_node: number(65_536),
        partition: 'gpu,long',
        account: 'ml',
        qos: 'high',
        time_limit: number(1441),
        kill_warning_signal: 'USR1',
        kill_warning_delay: number(120),
        kill_warning_flags: ['BATCH_JOB'],
        reservation: 'r1',
        constraints: 'ib',
        licenses: 'a:1',
      },
    });
  });

  for (const [line, version, fields] of [
    ['--exclude=node001,node002', 'v0.0.42', { excluded_nodes: ['node001', 'node002'] }],
    ['--exclude=node001,node002', 'v0.0.38', { exclude_nodes: 'node001,node002' }],
    ['--nodelist=node003', 'v0.0.38', { nodelist: 'node003' }],
    ['--signal=B:USR1@120', 'v0.0.38', { signal: undefined }],
    ['--signal=USR1@120', 'v0.0.38', { signal: 'USR1@120' }],
    ['--no-requeue', 'v0.0.38', { no_requeue: true, requeue: undefined }],
    ['--nodelist=node003', 'v0.0.42', { required_nodes: ['node003'] }],
    ['--mem-per-gpu=512M', 'v0.0.42', { memory_per_tres: 'gres/gpu:512' }],
    ['--mem-per-gpu=512M', 'v0.0.38', { memory_per_gpu: 512 }],
    ['--mem=100', 'v0.0.38', { memory_per_node: 100 }],
    ['--mem=1T', 'v0.0.38', { memory_per_node: 1_048_576 }],
    ['--time=UNLIMITED', 'v0.0.38', { time_limit: 4_294_967_295 }],
    ['--time=UNLIMITED', 'v0.0.42', { time_limit: { set: true, infinite: true, number: 0 } }],
    ['--signal=B:USR1@120', 'v0.0.38', {}],
    ['--signal=USR1@120', 'v0.0.38', { signal: 'USR1@120' }],
    ['--exclusive', 'v0.0.38', { exclusive: 'exclusive' }],
    ['--exclusive', 'v0.0.42', { shared: ['none'] }],
    ['--nice=100', 'v0.0.42', { nice: 100 }],
    ['--nodes=2-4', 'v0.0.38', { nodes: '2-4' }],
    ['-p gpu', 'v0.0.42', { partition: 'gpu' }],
  ] as const) {
    it(`${line} in ${version}`, () => {
      const body = submissionBody({ name: NAME, script: script(line) }, named(version));
      assert.ok(body.ok, JSON.stringify(body));
      const { job } = JSON.parse(body.value) as { readonly job: Readonly<Record<string, unknown>> };
      assert.deepEqual(Object.fromEntries(Object.keys(fields).map((key) => [key, job[key]])), fields);
    });
  }

  for (const [line, version, words] of [
    ['--contiguous', 'v0.0.38', /^slurmrestd cannot be told --contiguous in v0.0.38: it has no word for it/],
    ['--bb=x', 'v0.0.45', /--bb=x in v0.0.45: it has no word for it/],
    ['--contiguous', 'v0.0.45', /--contiguous in/],
    ['--exclusive=user', 'v0.0.45', /only without a value/],
    ['--export=ALL', 'v0.0.45', /only NONE can be said/],
    ['--time=soon', 'v0.0.45', /must be a time of SLURM/],
    ['--mem=much', 'v0.0.45', /must be a size/],
    ['--no-such-option', 'v0.0.45', /unrecognized option/],
  ] as const) {
    it(`nothing is left out: ${line} is refused in ${version}`, () => {
      const body = submissionBody({ name: NAME, script: script(line) }, named(version));
      assert.ok(!body.ok);
      assert.match(body.error, words);
    });
  }

  it('is in the words of JSON, whatever stands in a comment', () => {
    const body = submissionBody(
      { name: NAME, script: script('--comment="\\"}, \\"user_id\\": \\"0"') },
      named('v0.0.42'),
    );
    assert.ok(body.ok);
    const { job } = JSON.parse(body.value) as { readonly job: Readonly<Record<string, unknown>> };
    assert.deepEqual([job.comment, job.user_id], ['"}, "user_id": "0', undefined]);
  });
});
