import assert from 'node:assert/strict';
import { test } from 'node:test';
import { err, ok } from '../../../src/result.ts';
import { parseSacct, sacctCommand } from '../../../src/slurm/cli/sacct.ts';
import { readVersion, versionTraits } from '../../../src/slurm/cli/versions.ts';
import type { JobEnding } from '../../../src/slurm/job.ts';
import { recorded, VERSIONS } from './recorded.ts';

const at = (time: string): number => Date.parse(`2026-11-23T${time}Z`);
const endings = (text: string, sinceMs = 0): readonly JobEnding[] => {
  const parsed = parseSacct(text, sinceMs);
  assert.ok(parsed.ok);
  return parsed.value;
};

for (const version of VERSIONS) {
  test(`${version} remembers how jobs ended, a requeued run and every use of an id included`, () => {
    const newer = version !== '22.05.8';
    assert.deepEqual(
      endings(recorded(version, 'sacct.psv')).map((e) => [
        e.id,
        e.state,
        `${e.exitCode}:${e.signal}`,
        e.nodes.length,
        e.failedNodes.join(),
      ]),
      [
        ['24', 'FAILED', '7:0', 1, ''],
        ['25', 'FAILED', '0:11', 1, ''],
        ['37', 'NODE_FAIL', newer ? '1:0' : '0:0', 2, newer ? 'node004' : ''],
        ['8', 'CANCELLED', '0:0', 2, ''],
        ['9', 'CANCELLED', '0:0', 0, ''],
        ['27', 'TIMEOUT', '0:0', 1, ''],
        ['1', 'OUT_OF_MEMORY', '0:125', 1, ''],
        ['34', 'PREEMPTED', '0:0', 4, ''],
        ['32', 'PREEMPTED', '0:0', 4, ''],
        ['23', 'COMPLETED', '0:0', 2, ''],
      ],
    );
  });
}

test('an ending has its times, its nodes by name, and the node that failed', () => {
  const line = recorded('24.11.5', 'sacct.psv').split('\n')[2] ?? '';
  assert.deepEqual(endings(line), [
    {
      id: '37',
      name: 'vllm-nf-norequeue',
      submitMs: at('20:38:48'),
      state: 'NODE_FAIL',
      exitCode: 1,
      signal: 0,
      reason: 'None',
      nodes: ['node002', 'node004'],
      failedNodes: ['node004'],
      startMs: at('20:38:50'),
      endMs: at('20:39:17'),
    },
  ]);
});

test('what was submitted before the bound is left out, to the second', () => {
  const ids = endings(recorded('24.11.5', 'sacct.psv'), at('20:38:29') + 700).map(({ id }) => id);
  assert.deepEqual(ids, ['37', '1', '34']);
});

test('a line of accounting that cannot be understood makes the answer unknown', () => {
  const line = '5|vllm.a.b.r0.a1|ENLIGHTENED|0:0|1795499346|1795499347|1795499347|None|node001';
  assert.deepEqual(
    parseSacct(`${line}\n`, 0),
    err(`accounting says of job vllm.a.b.r0.a1 what cannot be understood: ${line}`),
  );
});

test('no lines are no endings, and a login greeting is none', () => {
  assert.deepEqual([parseSacct('', 0), parseSacct('Welcome to login1\n', 0)], [ok([]), ok([])]);
});

test('the question is bounded in time, and asks for the failed node only where that is known', () => {
  const ask = (text: string) =>
    sacctCommand(
      ['vllm.a.b.r0.a1', 'vllm.a.b.r0.a2'],
      1_000_000,
      4_600_000,
      versionTraits(readVersion(text)).sacctFailedNode,
    ).args;
  const older = [
    '--duplicates',
    '--parsable2',
    '--noheader',
    '--allocations',
    '--name=vllm.a.b.r0.a1,vllm.a.b.r0.a2',
    '--starttime=now-3900',
    '--format=JobIDRaw,JobName,State,ExitCode,Submit,Start,End,Reason,NodeList',
  ];
  const newer = older.with(-1, `${older.at(-1)},FailedNode`);
  assert.deepEqual(
    ['slurm-wlm 22.05.8\n', 'slurm 23.11.10', 'slurm 24.11.5', 'slurm-wlm 26.05.5', 'slurm 25.05.0-0rc1', 'hello'].map(
      ask,
    ),
    [older, older, newer, newer, newer, older],
  );
});
