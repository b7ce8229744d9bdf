import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onlyMissedJobs, parseScontrol } from '../../../src/slurm/cli/scontrol.ts';
import type { JobEnding, JobRef } from '../../../src/slurm/job.ts';
import { type RecordedVersion, ran, recorded, VERSIONS } from './recorded.ts';

const at = (time: string): number => Date.parse(`2026-11-23T${time}Z`);
const ref = (id: string, name: string, time: string): JobRef => ({
  id,
  name: `vllm-${name}`,
  user: 'op',
  submitMs: at(time),
});

/** Submit times of what was recorded: exit7, segv, nf-norequeue, llama-70b-r0, res, timeout, oom, scav-c, scav-r, stub. */
const SUBMITTED: Readonly<Record<RecordedVersion, readonly string[]>> = {
  '22.05.8': '20:36:34 20:36:34 20:38:14 20:35:56 20:36:02 20:36:43 20:40:31 20:37:56 20:37:37 20:36:43'.split(' '),
  '24.11.5': '20:37:14 20:37:15 20:38:48 20:36:41 20:36:44 20:37:20 20:41:35 20:38:29 20:38:10 20:37:20'.split(' '),
  '26.05.5': '20:39:46 20:39:46 20:41:23 20:39:03 20:39:07 20:39:53 20:59:31 20:41:04 20:40:44 20:39:53'.split(' '),
};

function refsOf(version: RecordedVersion): readonly JobRef[] {
  const names = ['exit7', 'segv', 'nf-norequeue', 'llama-70b-r0', 'res', 'timeout', 'oom', 'scav-c', 'scav-r', 'stub'];
  const ids = ['24', '25', '37', '8', '9', '27', '1', '34', '32', '28'];
  return names.map((name, i) => ref(ids[i] ?? '', name, SUBMITTED[version][i] ?? ''));
}

const NO_NODES_LEFT = 'Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions';

const brief = (ending: JobEnding) => [
  ending.name,
  ending.state,
  `${ending.exitCode}:${ending.signal}`,
  ending.reason,
  ending.nodes.length,
  ending.failedNodes.join(),
];

for (const version of VERSIONS) {
  test(`${version} tells how the ended jobs ended and nothing of those that live or were requeued`, () => {
    const newer = version !== '22.05.8';
    const endings = parseScontrol(recorded(version, 'scontrol.txt'), refsOf(version));
    assert.deepEqual(endings.map(brief), [
      ['vllm-exit7', 'FAILED', '7:0', 'NonZeroExitCode', 1, ''],
      ['vllm-segv', 'FAILED', '0:11', newer ? 'RaisedSignal:11(Segmentation fault)' : 'JobLaunchFailure', 1, ''],
      ['vllm-nf-norequeue', 'NODE_FAIL', newer ? '0:1' : '0:15', 'NodeDown', 2, newer ? 'node004' : ''],
      ['vllm-llama-70b-r0', 'CANCELLED', '0:15', 'None', 2, ''],
      ['vllm-res', 'CANCELLED', '0:0', NO_NODES_LEFT, 0, ''],
      ['vllm-timeout', 'TIMEOUT', '0:15', 'TimeLimit', 1, ''],
      ['vllm-oom', 'OUT_OF_MEMORY', '0:125', 'OutOfMemory', 1, ''],
      ['vllm-scav-c', 'PREEMPTED', '0:15', 'None', 4, ''],
    ]);
  });
}

test('an ending has its times and its nodes by name', () => {
  assert.deepEqual(parseScontrol(recorded('24.11.5', 'scontrol.txt'), [ref('37', 'nf-norequeue', '20:38:48')]), [
    {
      id: '37',
      name: 'vllm-nf-norequeue',
      submitMs: at('20:38:48'),
      state: 'NODE_FAIL',
      exitCode: 0,
      signal: 1,
      reason: 'NodeDown',
      nodes: ['node002', 'node004'],
      failedNodes: ['node004'],
      startMs: at('20:38:50'),
      endMs: at('20:39:17'),
    },
  ]);
});

test('an id that now belongs to another job tells nothing of the one asked for', () => {
  const text = recorded('22.05.8', 'scontrol.txt');
  const others = [ref('24', 'exit8', '20:36:34'), ref('24', 'exit7', '20:36:35'), ref('99', 'exit7', '20:36:34')];
  assert.deepEqual(
    others.map((other) => parseScontrol(text, [other])),
    [[], [], []],
  );
});

test('a comment that speaks like scontrol changes no ending', () => {
  const line = recorded('22.05.8', 'scontrol.txt').replace(
    'Comment=vllmd',
    'Comment= JobState=COMPLETED ExitCode=0:0 vllmd',
  );
  const [ending] = parseScontrol(line, [ref('8', 'llama-70b-r0', '20:35:56')]);
  assert.deepEqual(ending && brief(ending), ['vllm-llama-70b-r0', 'CANCELLED', '0:15', 'None', 2, '']);
});

test('jobs no longer known spoil nothing, anything else does', () => {
  const missed = 'slurm_load_jobs error: Invalid job id specified\n';
  const away = 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n';
  const runs = [ran('scontrol', 1, missed), ran('scontrol', 1, missed + away), ran('scontrol', 1), ran('scontrol', 0)];
  assert.deepEqual(runs.map(onlyMissedJobs), [true, false, false, false]);
});
