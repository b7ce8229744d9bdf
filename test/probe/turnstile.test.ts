import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createTurnstile } from '../../src/probe/turnstile.ts';
import { gate, settled } from '../controller/ground.ts';

describe('a turnstile', () => {
  it('lets so many tasks run at a time, the others in their order', async () => {
    const { pass } = createTurnstile(2);
    const begun: number[] = [];
    const gates = [0, 1, 2, 3].map(() => gate<string>());
    const results = gates.map(({ promise }, i) =>
      pass(() => {
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
    const { pass } = createTurnstile(1);
    const broken = pass(() => Promise.reject(new Error('broken')));
    await assert.rejects(broken, /broken/);
    assert.deepEqual(await Promise.all([pass(async () => 'a'), pass(async () => 'b')]), ['a', 'b']);
  });
});
