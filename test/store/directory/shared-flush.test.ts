import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { diskFiles } from '../../../src/store/directory/files.ts';
import { sharingFlushes } from '../../../src/store/directory/shared-flush.ts';

/** A disk whose flushes end when, and as, the test says. */
function slowDisk() {
  const begun: { readonly directory: string; readonly end: PromiseWithResolvers<void> }[] = [];
  const files = sharingFlushes({
    ...diskFiles,
    flushDirectory(directory) {
      const end = Promise.withResolvers<void>();
      begun.push({ directory, end });
      return end.promise;
    },
  });
  return { begun, flush: files.flushDirectory };
}

describe('flushes of a directory', () => {
  it('a change made while one is under way is covered by one that begins later, and shared', async () => {
    const { begun, flush } = slowDisk();
    const first = flush('/d');
    await setImmediate();
    let isCovered = false;
    const others = Promise.all([flush('/d'), flush('/d')]).then(() => {
      isCovered = true;
    });
    begun[0]?.end.resolve();
    await first;
    await setImmediate();
    assert.deepEqual([begun.length, isCovered], [2, false]);
    begun[1]?.end.resolve();
    await others;
  });

  it('one that fails fails those who waited for it, and not those after it', async () => {
    const { begun, flush } = slowDisk();
    const first = flush('/d');
    await setImmediate();
    const second = flush('/d');
    begun[0]?.end.reject(new Error('the disk reports an error'));
    await assert.rejects(first, /the disk reports an error/);
    await setImmediate();
    begun[1]?.end.resolve();
    await second;
  });

  it('two directories do not wait for each other', async () => {
    const { begun, flush } = slowDisk();
    const both = [flush('/a'), flush('/b')];
    await setImmediate();
    assert.deepEqual(
      begun.map(({ directory }) => directory),
      ['/a', '/b'],
    );
    for (const { end } of begun) end.resolve();
    await Promise.all(both);
  });
});
