import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Slurm } from '../../../src/slurm/slurm.ts';
import type { Bed, BedVersion } from './bed.ts';
import { ADAPTERS, type AdapterName } from './places.ts';

/** Options as the operator writes them, and 22.05 cannot be told by slurmrestd. */
const OPTIONS = [
  '--comment="vso1 uid=contract gen=1"',
  '--open-mode=append',
  '--export=NONE',
  '--no-requeue',
  '--nodes=2',
  '--ntasks-per-node=1',
  '--gres=gpu:2',
  '--cpus-per-task=3',
  '--mem=2G',
  '--partition=short,gpu',
  '--account=ml',
  '--qos=normal',
  '--time=00:05:30',
];
const ONLY_LATER = ['--exclude=node002,node003'];
/** No user nodes are shared with; by its own, for it would keep the others waiting. */
const ALONE = ['--exclusive', '--exclude=node001,node002', '--nodes=1', '--time=2', '--mem=1G', '--gres=gpu:1'];

/** What no two jobs share, and why else it may differ. */
const MAY_DIFFER: readonly RegExp[] = [
  /^(JobId|JobName|AllocNode:Sid|SubmitLine|Command|Std(In|Err)|Priority)$/,
  // When and where it came to run.
  /^(\w*Time|LastSchedEval|Scheduler|NodeList|SchedNodeList|BatchHost|JobState|Reason|Dependency|Partition)$/,
  // 22.05 multiplies by the nodes only when it starts a job that slurmrestd brought.
  /^(NumCPUs|TRES)$/,
  // Words of a comment or of the command line, which have no quotes around them.
  /^(--|uid$|gen$)/,
  // Defaults that only one of the two writes down: no step is killed for another's want of memory; CPUs as a kind of TRES.
  /^(OOMKillStep|TresPerTask)$/,
];
const ALWAYS_THE_SAME = ['TimeLimit', 'Partition', 'StdOut'];

const DEADLINE_MS = 120_000;

/** The same script is the same job, whichever adapter brought it; as `scontrol show job` tells it. */
export function sameJobTests(
  version: BedVersion,
  bedOf: () => Promise<Bed>,
  told: (sentence: string, isKept: boolean) => void,
): void {
  const opened: Slurm[] = [];
  after(() => Promise.all(opened.map((slurm) => slurm.close())));
  const run = Date.now().toString(36);
  let count = 0;

  async function submit(bed: Bed, adapter: AdapterName, options: readonly string[], body: string) {
    const slurm = await ADAPTERS[adapter](bed);
    opened.push(slurm);
    const name = `vllm.same-${run}.job.r0.a${++count}`;
    const script = ['#!/bin/bash', ...['--output=/dev/null', ...options].map((one) => `#SBATCH ${one}`), body, ''].join(
      '\n',
    );
    const submitted = await slurm.submit({ name, script });
    assert.ok(submitted.ok, `${adapter}: ${JSON.stringify(submitted)}`);
    return submitted.value;
  }

  function declare(sentence: string, body: (bed: Bed) => Promise<void>): void {
    test(`${version}: ${sentence}`, async () => {
      let isKept = false;
      try {
        await body(await bedOf());
        isKept = true;
      } finally {
        told(sentence, isKept);
      }
    });
  }

  async function comment(bed: Bed, id: string, pattern: RegExp): Promise<string> {
    const endMs = Date.now() + DEADLINE_MS;
    for (;;) {
      const said = await bed.run('squeue', '--noheader', '--states=all', '--format=%k', `--jobs=${id}`);
      if (pattern.test(said)) return said;
      if (Date.now() > endMs) assert.fail(`the comment of job ${id} is ${said}`);
      await delay(500);
    }
  }

  /** What a job has differs from what it waits for. */
  async function inOneState(bed: Bed, ids: readonly string[]): Promise<readonly string[]> {
    const endMs = Date.now() + DEADLINE_MS;
    for (;;) {
      const shown = await Promise.all(ids.map((id) => bed.run('scontrol', '--oneliner', 'show', 'job', id)));
      const states = new Set(shown.map((line) => / JobState=(\w+)/.exec(line)?.[1]));
      if (states.size === 1) return shown;
      if (Date.now() > endMs) assert.fail(`the jobs stay ${[...states].join(' and ')}`);
      await delay(500);
    }
  }

  const isLater = version !== '22.05';
  for (const [sentence, options] of [
    ['a script is the same job as by sbatch', isLater ? [...OPTIONS, ...ONLY_LATER] : OPTIONS],
    ['so is one that wants its nodes for itself', isLater ? ALONE : ['--exclusive', '--nodes=1', '--time=2']],
  ] as const)
    declare(sentence, async (bed) => {
      const ids = [
        await submit(bed, 'CLI', options, 'exec sleep 600'),
        await submit(bed, 'REST', options, 'exec sleep 600'),
      ];
      const [byCommand = '', byRest = ''] = await inOneState(bed, ids);
      await bed.run('scancel', ...ids);
      assert.ok(Object.keys(readFields(byCommand)).length > 30);
      assert.deepEqual(readFields(byRest), readFields(byCommand));
    });

  if (isLater)
    declare('the batch shell is warned before the end of its time, and nobody else', async (bed) => {
      const body = [
        'trap \'scontrol update "JobId=$SLURM_JOB_ID" "Comment=warned|end"; exit 0\' USR1',
        'sleep 600 &',
        'wait',
      ].join('\n');
      const id = await submit(bed, 'REST', ['--time=1', '--signal=B:USR1@50'], body);
      await comment(bed, id, /warned\|end/);
      await bed.run('scancel', id);
    });
}

function readFields(line: string): Readonly<Record<string, string>> {
  const fields = line
    .split(' ')
    .filter((word) => word.includes('='))
    .map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)] as const);
  return Object.fromEntries(
    fields.filter(([key]) => ALWAYS_THE_SAME.includes(key) || !MAY_DIFFER.some((one) => one.test(key))),
  );
}
