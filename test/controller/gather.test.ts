import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createGather } from '../../src/controller/gather.ts';
import { gate, settled } from './ground.ts';

function desk(atOnce: number) {
  const asked: (readonly string[])[] = [];
  const calls: PromiseWithResolvers<ReadonlyMap<string, string>>[] = [];
  const ask = createGather<string, string>({
    atOnce,
    nameOf: (question) => question,
    ask(questions) {
      asked.push(questions);
      const call = gate<ReadonlyMap<string, string>>();
      calls.push(call);
      return call.promise;
    },
  });
  return {
    ask,
    asked,
    async answer(known: Readonly<Record<string, string>>) {
      calls.at(-1)?.resolve(new Map(Object.entries(known)));
      await settled();
    },
    async fail() {
      calls.at(-1)?.reject(new Error('broken'));
      await settled();
    },
  };
}

describe('questions', () => {
  it('that come while an answer is awaited are asked in one call', async () => {
    const { ask, asked, answer } = desk(10);
    const answers = ['a', 'b', 'c'].map(ask);
    await answer({ a: 'A' });
    await answer({ b: 'B', c: 'C' });
    assert.deepEqual(
      [asked, await Promise.all(answers)],
      [
        [['a'], ['b', 'c']],
        ['A', 'B', 'C'],
      ],
    );
  });

  it('that are the same are asked once and answered to all', async () => {
    const { ask, asked, answer } = desk(10);
    const answers = ['a', 'b', 'b'].map(ask);
    await answer({ a: 'A' });
    await answer({ b: 'B' });
    assert.deepEqual(
      [asked, await Promise.all(answers)],
      [
        [['a'], ['b']],
        ['A', 'B', 'B'],
      ],
    );
  });

  it('that are many are asked so many at a time', async () => {
    const { ask, asked, answer } = desk(2);
    const answers = ['a', 'b', 'c', 'd'].map(ask);
    await answer({ a: 'A' });
    await answer({ b: 'B', c: 'C' });
    await answer({ d: 'D' });
    assert.deepEqual(
      [asked, await Promise.all(answers)],
      [
        [['a'], ['b', 'c'], ['d']],
        ['A', 'B', 'C', 'D'],
      ],
    );
  });

  it('that are left out of an answer are not answered', async () => {
    const { ask, answer } = desk(2);
    const unanswered = ask('a');
    await answer({});
    assert.equal(await unanswered, undefined);
  });

  it('of a call that throws fail, and those behind it are asked all the same', async () => {
    const { ask, asked, answer, fail } = desk(10);
    const broken = assert.rejects(ask('a'), /broken/);
    const good = ask('b');
    await fail();
    await answer({ b: 'B' });
    await broken;
    assert.deepEqual([asked, await good], [[['a'], ['b']], 'B']);
  });
});
