import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Clock, systemClock } from '../../src/clock.ts';
import { ok } from '../../src/result.ts';
import { createSecretDirectory } from '../../src/secrets/directory.ts';
import { createMemorySecretFiles } from '../../src/secrets/memory.ts';
import type { SecretFiles } from '../../src/secrets/secrets.ts';

let scratch = '';
const directory = () => path.join(scratch, 'shared', 'secrets');
const open = (clock: Clock = systemClock): SecretFiles =>
  createSecretDirectory({ directory: directory(), owner: 'store-1', clock, userId: process.getuid?.() });

beforeEach(() => {
  scratch = mkdtempSync(path.join(os.tmpdir(), 'secret-files-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

for (const [adapter, create] of [
  ['in a directory', open],
  ['in memory', createMemorySecretFiles],
] as const) {
  describe(`secret files ${adapter}`, () => {
    it('hold what was written last, are listed, and are gone once removed', async () => {
      const files = create();
      assert.deepEqual([await files.names(), await files.read('a')], [ok([]), ok(undefined)]);
      for (const [name, secret] of [
        ['a', 'sk-old'],
        ['b', 'sk-b'],
        ['a', 'sk-new'],
      ] as const)
        assert.deepEqual(await files.write(name, secret), ok(undefined));
      const names = await files.names();
      assert.deepEqual(
        [names.ok && [...names.value].sort(), await files.read('a'), await files.read('b')],
        [['a', 'b'], ok('sk-new'), ok('sk-b')],
      );
      assert.deepEqual([await files.remove('a'), await files.remove('a')], [ok(undefined), ok(undefined)]);
      assert.deepEqual([await files.names(), await files.read('a')], [ok(['b']), ok(undefined)]);
    });
  });
}

describe('secret files on a disk', () => {
  it('can be read by their owner alone, whatever the umask, and by an operator that comes later', async () => {
    const before = process.umask(0);
    try {
      await open().write('a', 'sk-a');
    } finally {
      process.umask(before);
    }
    const own = path.join(directory(), 'store-1');
    assert.deepEqual(
      [directory(), own, path.join(own, 'a')].map((one) => (statSync(one).mode & 0o777).toString(8)),
      ['700', '700', '600'],
    );
    assert.deepEqual([await open().read('a'), readdirSync(own)], [ok('sk-a'), ['a']]);
  });

  it('of another store are not seen', async () => {
    await open().write('a', 'sk-a');
    const other = createSecretDirectory({
      directory: directory(),
      owner: 'store-2',
      clock: systemClock,
      userId: process.getuid?.(),
    });
    assert.deepEqual([await other.names(), await other.read('a')], [ok([]), ok(undefined)]);
  });

  it('are not put where others may write, nor behind a link', async () => {
    mkdirSync(directory(), { recursive: true });
    chmodSync(directory(), 0o777);
    const written = await open().write('a', 'sk-a');
    assert.deepEqual(written, { ok: false, error: `${directory()}: others may write there: chmod 700 it` });
    chmodSync(directory(), 0o700);
    symlinkSync(scratch, path.join(directory(), 'store-1'));
    const linked = await open().write('a', 'sk-a');
    assert.equal(linked.ok, false);
    assert.deepEqual(readdirSync(scratch), ['shared']);
  });

  it('half written by a process that was killed are no secret, and go at the next look', async () => {
    const own = path.join(directory(), 'store-1');
    mkdirSync(own, { recursive: true });
    writeFileSync(path.join(own, '.draft-0123'), 'sk-ha');
    assert.deepEqual([await open().names(), readdirSync(own)], [ok([]), []]);
  });

  it('that cannot be written are told with the reason, without the secret', async () => {
    writeFileSync(path.join(scratch, 'shared'), 'a file in the way');
    const written = await open().write('a', 'sk-swordfish');
    assert.ok(!written.ok);
    assert.match(written.error, /ENOTDIR|EEXIST/);
    assert.doesNotMatch(written.error, /swordfish/);
  });

  it('on a disk that does not answer are given up in time, and asked for again once it does', async () => {
    // Every deadline passes at once.
    const hasty: Clock = {
      now: systemClock.now,
      after(_ms, run) {
        queueMicrotask(run);
        return () => {};
      },
    };
    const files = open(hasty);
    const late = await files.write('a', 'sk-a');
    assert.deepEqual(late, { ok: false, error: `${directory()} did not answer within 10 s` });
    assert.deepEqual(await files.read('b'), {
      ok: false,
      error: `${directory()} has not answered an earlier call yet`,
    });
    const own = path.join(directory(), 'store-1');
    while (
      !(await open()
        .names()
        .then((names) => names.ok && names.value.includes('a')))
    )
      await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(readdirSync(own), ['a']);
  });
});
