import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { failure, find, value } from '../../contract/store.ts';
import { refusingFiles } from './broken-files.ts';
import { handClock, inScratch, manifest, type Scratch, spec, WEB } from './scratch.ts';

const LOCK = '.vllm-slurm.lock';
const ID = '.vllm-slurm.yaml';

async function refusal(scratch: Scratch): Promise<string> {
  const opened = await scratch.tryOpen();
  assert.ok(!opened.ok, 'opened although it should not');
  return opened.error.message;
}

/** A process that was there and is gone. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid ?? 0;
}

async function rewriteLock(scratch: Scratch, change: Readonly<Record<string, unknown>>): Promise<void> {
  await scratch.write(LOCK, JSON.stringify({ ...JSON.parse(await scratch.read(LOCK)), ...change }));
}

inScratch('a second controller is refused and told who the first is', async (scratch) => {
  const store = await scratch.open();
  assert.match(
    await refusal(scratch),
    new RegExp(`${scratch.path} is served by another controller already: process ${process.pid} on `),
  );
  await store.close();
  await scratch.open();
});

inScratch('the lock of a dead process is taken over at once', async (scratch) => {
  await scratch.open();
  await rewriteLock(scratch, { pid: await deadPid() });
  await scratch.open();
});

inScratch('the lock of a process whose number another has by now is taken over at once', async (scratch) => {
  const store = await scratch.open();
  const { started } = JSON.parse(await scratch.read(LOCK));
  if (started === '') return; // this system does not tell when a process began
  await rewriteLock(scratch, { started: '1' });
  assert.notEqual((await scratch.open()).id, undefined);
  assert.equal(store.id, (await scratch.read(ID)).trim().split('id: ')[1]);
});

inScratch('the lock of another host is respected until it has not been renewed for a minute', async (scratch) => {
  const store = await scratch.open();
  await rewriteLock(scratch, { host: 'elsewhere', place: 'elsewhere' });
  assert.match(await refusal(scratch), /process \d+ on elsewhere\. If it is dead, its lock lapses in \d+ s$/);
  const past = new Date(Date.now() - 70_000);
  await utimes(join(scratch.path, LOCK), past, past);
  const second = await scratch.open();
  assert.equal(second.id, store.id);
  assert.deepEqual(
    (await scratch.names()).filter((name) => name.endsWith('.tmp')),
    [],
  );
});

inScratch('a lock that was made and not yet written is respected too', async (scratch) => {
  await (await scratch.open()).close();
  await scratch.write(LOCK, '');
  assert.match(await refusal(scratch), /a controller that is just starting/);
});

inScratch('of many that start at once one gets the directory, over a stale lock too', async (scratch) => {
  for (const round of ['free', 'stale']) {
    if (round === 'stale')
      await scratch.write(LOCK, JSON.stringify({ host: 'h', place: 'p', started: '', pid: 1, token: 't' }));
    if (round === 'stale') await utimes(join(scratch.path, LOCK), new Date(0), new Date(0));
    const opened = await Promise.all(Array.from({ length: 6 }, () => scratch.tryOpen()));
    const winners = opened.flatMap((one) => (one.ok ? [one.value] : []));
    assert.equal(winners.length, 1, round);
    await winners[0]?.close();
  }
});

inScratch('a controller whose lock was taken writes nothing more and tells nothing more', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec()));
  const first = await scratch.open();
  const seen = await find(first, WEB);
  await rm(join(scratch.path, LOCK));
  const second = await scratch.open();
  value(await second.writeStatus(await find(second, WEB), { phase: 'Running' }));
  const written = await scratch.read('web.status.yaml');
  assert.equal(failure(await first.writeStatus(seen, { phase: 'Failed' })), 'unavailable');
  assert.equal(await scratch.read('web.status.yaml'), written);
  await first.refresh();
  assert.equal(failure(await first.list()), 'unavailable');
  await first.close();
  assert.equal((await second.list()).ok, true, 'the first does not take the lock of the second along');
});

inScratch('the lock is renewed as time goes by', async (scratch) => {
  const clock = handClock();
  await scratch.open({ clock, rescanMs: 3_600_000 });
  const file = join(scratch.path, LOCK);
  await utimes(file, new Date(0), new Date(0));
  clock.advance(20_000);
  while ((await stat(file)).mtimeMs === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(JSON.parse(await scratch.read(LOCK)).pid, process.pid);
});

inScratch('an empty mount point is not a directory from which everything was deleted', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec()));
  const store = await scratch.open();
  const held = value(await store.addFinalizer(await find(store, WEB)));
  const everything = await scratch.names();
  for (const name of everything) await rename(join(scratch.path, name), join(scratch.path, `${name}.away`));
  await store.refresh();
  assert.deepEqual(await store.list(), {
    ok: false,
    error: {
      kind: 'unavailable',
      message: `${scratch.path} holds no store any more: is a file system not mounted, or mounted over it?`,
    },
  });
  assert.equal(failure(await store.get(WEB)), 'unavailable');
  assert.equal(failure(await store.writeStatus(held, { phase: 'Failed' })), 'unavailable');
  assert.equal(failure(await store.releaseFinalizer(held)), 'unavailable');
  for (const name of everything) await rename(join(scratch.path, `${name}.away`), join(scratch.path, name));
  await store.refresh();
  assert.deepEqual(await find(store, WEB), held);
});

inScratch('another store in the same place is not ours', async (scratch) => {
  const store = await scratch.open();
  await scratch.write(ID, 'id: somebody-else\n');
  await store.refresh();
  const listed = await store.list();
  assert.match(listed.ok ? '' : listed.error.message, /holds another store, somebody-else/);
});

inScratch('status files without an id are not adopted, and the way out is told', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec()));
  const store = await scratch.open();
  value(await store.addFinalizer(await find(store, WEB)));
  await store.close();
  await scratch.remove(ID);
  assert.match(
    await refusal(scratch),
    /holds status files but no \.vllm-slurm\.yaml: write "id: ID" there, ID being what stands behind "store:" in web\.status\.yaml/,
  );
  await scratch.write(ID, `id: ${store.id}\n`);
  assert.deepEqual((await find(await scratch.open(), WEB)).finalizers, ['vllm-slurm.dev/slurm-jobs']);
});

inScratch('an id that is no word is refused, and so is a place that is no directory', async (scratch) => {
  await scratch.write(ID, 'id: [Not a word]\n');
  assert.match(await refusal(scratch), /holds no id: it must read "id: SOME-WORD"/);
  await scratch.write('file', '');
  const inFile = await scratch.tryOpen({ directory: join(scratch.path, 'file') });
  const nowhere = await scratch.tryOpen({ directory: join(scratch.path, 'nowhere') });
  assert.deepEqual(
    [inFile, nowhere].map((opened) => (opened.ok ? '' : opened.error.message)),
    [
      `${scratch.path}/file cannot be locked: not a directory`,
      `${scratch.path}/nowhere cannot be locked: no such file or directory`,
    ],
  );
});

inScratch('a disk that stops answering questions makes the store unavailable, not empty', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec()));
  const disk = refusingFiles();
  const store = await scratch.open({ files: disk.files });
  disk.refuse('names', 'EIO');
  await store.refresh();
  assert.deepEqual(await store.list(), {
    ok: false,
    error: { kind: 'unavailable', message: `${scratch.path} cannot be listed: the disk reports an error` },
  });
  disk.heal();
  await store.refresh();
  assert.equal(value(await store.list()).length, 1);
});

inScratch('a directory that has not been seen for long is not vouched for', async (scratch) => {
  const clock = { nowMs: 0, now: () => clock.nowMs, after: () => () => undefined };
  const store = await scratch.open({ clock, rescanMs: 10_000 });
  clock.nowMs = 60_000;
  assert.equal((await store.list()).ok, true);
  clock.nowMs = 61_000;
  assert.deepEqual(await store.list(), {
    ok: false,
    error: { kind: 'unavailable', message: `${scratch.path} has not answered for 61 s` },
  });
});
