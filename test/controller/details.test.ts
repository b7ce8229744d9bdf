import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDetails } from '../../src/controller/details.ts';
import { err, ok } from '../../src/result.ts';
import { endedJob, endingOf, NOW } from '../gen/observation.ts';
import { fakeSlurm, gate, ground } from './ground.ts';

const job = endedJob();
const ending = endingOf(job);
const { logTail: _, ...bare } = ending;
const lost = { name: job.name, jobId: '101', submittedMs: NOW - 120_000 };
const desk = (
  about: Parameters<typeof fakeSlurm>[0],
  tail = async (_path: string): Promise<string | undefined> => undefined,
) => {
  const slurm = fakeSlurm(about);
  return { slurm, ...createDetails({ ...ground(), slurm, tail }) };
};

describe('how a job ended', () => {
  it('is told with the end of its log', async () => {
    const { ending: ask } = desk({ describe: async () => ok([bare]) }, async (path) => `tail of ${path}`);
    assert.deepEqual(await ask(job), { ...bare, logTail: 'tail of /logs/vllm.default.chat.r0.a1-101.log' });
  });

  it('is told by its log alone while SLURM does not tell it yet', async () => {
    const { slurm: _, logTail: read } = desk({}, async (path) => `tail of ${path}`);
    assert.equal(await read(job), 'tail of /logs/vllm.default.chat.r0.a1-101.log');
  });

  it('is not told when Slurm does not answer, does not know it, or means another run of the same id', async () => {
    const unreachable = err({ kind: 'unreachable', message: 'connect failure' } as const);
    for (const describe of [
      async () => unreachable,
      async () => ok([]),
      async () => ok([{ ...bare, submitMs: NOW - 999_000 }]),
    ])
      assert.equal(await desk({ describe }).ending(job), undefined);
  });

  it('is asked for many in few calls', async () => {
    const first = gate<void>();
    const { slurm, ending: ask } = desk({
      describe: async () => {
        await first.promise;
        return ok([]);
      },
    });
    const answers = Array.from({ length: 150 }, (_, id) => ask(endedJob({ id: String(id) })));
    first.resolve();
    await Promise.all(answers);
    assert.deepEqual(
      slurm.calls.map((call) => call.split(',').length),
      [1, 100, 49],
    );
  });
});

describe('accounting', () => {
  it('tells how a lost job ended, asked since a little before its submission', async () => {
    const { slurm, history } = desk({ history: async () => ok([bare]) });
    assert.deepEqual(await history(lost), { kind: 'ended', ending });
    assert.deepEqual(slurm.calls, ['history vllm.default.chat.r0.a1 since -240 s']);
  });

  it('knows nothing of a job of that name with another id, or from long before', async () => {
    for (const record of [
      { ...bare, id: '99' },
      { ...bare, submitMs: lost.submittedMs - 120_001 },
      { ...bare, name: 'vllm.default.chat.r0.a2' },
    ])
      assert.deepEqual(await desk({ history: async () => ok([record]) }).history(lost), { kind: 'none' });
  });

  it('tells of the last run of a job that was requeued', async () => {
    const again = { ...bare, submitMs: bare.submitMs + 60_000, state: 'TIMEOUT' as const };
    const answer = await desk({ history: async () => ok([bare, again]) }).history(lost);
    assert.deepEqual(answer, { kind: 'ended', ending: { ...again, logTail: undefined } });
  });

  it('that is not kept says so; one that does not answer says nothing', async () => {
    const refused = err({ kind: 'rejected', message: 'Slurm accounting storage is disabled' } as const);
    const silent = err({ kind: 'unreachable', message: 'Connection refused' } as const);
    assert.deepEqual(await desk({ history: async () => refused }).history(lost), { kind: 'unkept' });
    assert.equal(await desk({ history: async () => silent }).history(lost), undefined);
  });
});
