import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLimit } from '../../src/controller/limit.ts';
import { gate, settled } from './ground.ts';

describe('a limit', () => {
  it('lets so many tasks run at a time, the others in their order', async () => {
    const limit = createLimit(2);
    const begun: number[] = [];
    const gates = [0, 1, 2, 3].map(() => gate<string>());
    const results = gates.map(({ promise }, i) =>
      limit(() => {
        begun.push(i);
        return promise;
      }),
    );
    await settled();
    assert.deepEqual(begun, [0, 1]);
    gates[1]?.resolve('one');
    await settled();
    assert.deepEqual(begun, [0, 1, 2]);
    gates[0]?.resolve('zero');
    gates[2]?.resolve('two');
    await settled();
    gates[3]?.resolve('three');
    assert.deepEqual(await Promise.all(results), ['zero', 'one', 'two', 'three']);
  });

  it('frees the place of a task that throws', async () => {
    const limit = createLimit(1);
    const broken = limit(() => Promise.reject(new Error('broken')));
    await assert.rejects(broken, /broken/);
    assert.deepEqual(await Promise.all([limit(async () => 'a'), limit(async () => 'b')]), ['a', 'b']);
  });
});
