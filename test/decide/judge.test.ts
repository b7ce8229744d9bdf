import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endOf, judge, type KnownEnd, UNTOLD } from '../../src/decide/judge.ts';
import type { OwnJob } from '../../src/decide/observation.ts';
import { jobKey } from '../../src/slurm/job.ts';
import { completingJob, endedJob, endingOf, observation, seenRecord, specOf } from '../gen/observation.ts';

const NODES = ['node001', 'node002', 'node003'];

function judged(job: OwnJob, about: Parameters<typeof observation>[0] = {}, nodes = job.nodes.length) {
  const seen = observation(about);
  const end = endOf(seen, job);
  assert.ok(end);
  const { failure, blamed, verdict } = judge(seen, specOf({ resources: { nodes } }), seenRecord(), end);
  return { reason: verdict.reason, node: failure.node, blamed, message: failure.message };
}

const says = (code: number, why: string) =>
  completingJob({ nodes: NODES, says: `phase=failed|code=${code}|why=${why}` });

type Row = readonly [title: string, job: OwnJob, reason: string, node: string | undefined, blamed: readonly string[]];
const rows: readonly Row[] = [
  ['the lost node', says(67, 'lost:node002'), 'NodeFailed', 'node002', ['node002']],
  ['all lost nodes', says(67, 'lost:node002,node003'), 'NodeFailed', 'node002', ['node002', 'node003']],
  ['nobody outside the allocation', says(67, 'lost:node009'), 'NodeFailed', undefined, []],
  ['nobody where the word is lost', says(67, ''), 'NodeFailed', undefined, []],
  [
    'whom the word names, of all that are there',
    says(67, 'lost:node009,node003'),
    'NodeFailed',
    'node003',
    ['node003'],
  ],
  ['nobody for a rank that died, and tells which', says(68, 'engine-exit-137:node003'), 'EngineFailed', 'node003', []],
  ['nobody for srun’s own end', says(68, 'engine-exit-1'), 'EngineFailed', undefined, []],
  ['the stuck node', says(69, 'stuck:node003'), 'EngineHung', 'node003', ['node003']],
  ['nobody for a hang of all', says(69, 'no-token'), 'EngineHung', undefined, []],
  ['the node without its GPUs', says(71, 'gpu-missing:node002'), 'NodeFailed', 'node002', ['node002']],
  ['the node without the file system', says(73, 'model-missing:node002'), 'NodeFailed', 'node002', ['node002']],
  ['nobody where no node has it', says(74, 'engine-missing:node001,node002,node003'), 'Misconfigured', 'node001', []],
  ['nobody where it is not known who lacks it', says(74, ''), 'EngineFailed', undefined, []],
  ['who reaches nobody', says(75, 'peer-unreachable:node002'), 'CommunicationFailed', 'node002', ['node002']],
  [
    'first the first node, where nobody reaches it',
    says(75, 'peer-unreachable:node002,node003'),
    'CommunicationFailed',
    'node001',
    ['node001', 'node002', 'node003'],
  ],
];

describe('a failure over several nodes', () => {
  for (const [title, job, reason, node, blamed] of rows) {
    it(`is laid to ${title}: ${job.report.code} ${job.report.why ?? ''}`, () => {
      const { message: _, ...rest } = judged(job);
      assert.deepEqual(rest, { reason, node, blamed });
    });
  }

  it('is laid to nobody by what is left of an allocation that is being cleaned up', () => {
    const job = completingJob({ nodes: ['node001'], says: 'phase=failed|code=67|why=lost:node002' });
    assert.deepEqual(judged(job, {}, 3).blamed, []);
  });

  const failed = endedJob({ state: 'NODE_FAIL', reason: 'NodeDown', nodes: NODES });
  const ending = (failedNodes: readonly string[]) => [failed, endingOf(failed, { exitCode: 0, failedNodes })] as const;
  it('is laid to whom SLURM names', () =>
    assert.deepEqual(judged(failed, { endings: [ending(['node002'])] }).blamed, ['node002']));
  it('is laid to whom SLURM can no longer use, where it names nobody', () => {
    const facts = { usableNodes: ['node001', 'node002', 'node004'] };
    assert.deepEqual(judged(failed, { endings: [ending([])], facts }).blamed, ['node003']);
  });
  it('is laid to nobody, where nobody knows which it was', () =>
    assert.deepEqual(judged(failed, { endings: [ending([])] }).blamed, []));
  it('is laid to whom the log names, if it is of the allocation', () => {
    const job = endedJob({ nodes: NODES });
    const tail = (node: string) => ({
      endings: [[job, endingOf(job, { exitCode: 68, logTail: `srun: error: Node failure on ${node}\n` })]] as const,
    });
    assert.deepEqual(judged(job, tail('node003')).blamed, ['node003']);
    assert.deepEqual(judged(job, tail('node009')).blamed, []);
  });
});

describe('an end is told', () => {
  it('by the line of the log that decided, without what vLLM writes before it', () => {
    const job = says(64, 'engine-exit-1:node001');
    const logTail = `INFO up\n(EngineCore pid=25217) ERROR 11-23 21:15:47 [core.py:1510] ValueError: To serve at least one request, (2.0 GiB KV cache is needed, which is larger than 1 GiB). The estimated maximum model length is 256.\nRuntimeError: echo\n`;
    assert.deepEqual(judged(job, { facts: { logTails: new Map([[jobKey(job), logTail]]) } }), {
      reason: 'OutOfMemory',
      node: 'node001',
      blamed: [],
      message:
        'job 101: what the weights leave of the GPU memory does not hold one request of full length (FAILED; exit code 64; engine-exit-1: node001): ValueError: To serve at least one request, (2.0 GiB KV cache is needed, which is larger than 1 GiB). The estimated maximum model length is 256.',
    });
  });

  it('as a drain while its nodes are cleaned up, not as a failure of the engine', () =>
    assert.equal(judged(completingJob({ says: 'phase=ended|code=0|why=drained' })).reason, 'Ended'));

  it('without what the job said before its last word', () => {
    const job = endedJob({ state: 'NODE_FAIL', says: 'phase=ready|why=lost:node001' });
    const { message } = judged(job, { endings: [[job, endingOf(job, { exitCode: 0, reason: 'NodeDown' })]] });
    assert.equal(message, 'job 101: a node of the allocation failed (NODE_FAIL; NodeDown)');
  });

  it('in no more words than the status takes, however long the line', () => {
    const end: KnownEnd = {
      ...UNTOLD,
      end: 'FAILED',
      exitCode: 65,
      jobId: '101',
      logTail: `No space left on device${'x'.repeat(9_000)}`,
    };
    const { failure } = judge(observation(), specOf(), seenRecord(), end);
    assert.ok(failure.message.length < 600, `${failure.message.length}`);
    assert.match(failure.message, /No space left on devicex+…$/);
  });
});
