import assert from 'node:assert/strict';
import { chmod, stat } from 'node:fs/promises';
import { failure, find, value } from '../../contract/store.ts';
import { inScratch, manifest, OTHER, type Scratch, spec, WEB } from './scratch.ts';

const STATUS = { phase: 'Running', restarts: 3 } as const;

/** `web` and `other` have run, with a finalizer and a status each; nobody is at work. */
async function hasRun(scratch: Scratch): Promise<void> {
  for (const key of [WEB, OTHER]) await scratch.write(`${key.name}.yaml`, manifest(key, spec()));
  const store = await scratch.open();
  for (const key of [WEB, OTHER]) {
    const held = value(await store.addFinalizer(await find(store, key)));
    value(await store.writeStatus(held, STATUS));
  }
  await store.close();
}

async function spoil(scratch: Scratch): Promise<string> {
  const whole = await scratch.read('web.status.yaml');
  await scratch.write('web.status.yaml', whole.replace('restarts: 3', 'restarts: many'));
  return whole;
}

inScratch('a status file that cannot be understood seals its resource, and the others go on', async (scratch) => {
  await hasRun(scratch);
  await spoil(scratch);
  const spoilt = await scratch.read('web.status.yaml');
  const store = await scratch.open();
  const line = spoilt.split('\n').findIndex((text) => text.includes('restarts:')) + 1;
  assert.deepEqual(
    store.problems().map((problem) => `${problem.file}:${problem.line} ${problem.message.slice(0, 39)}`),
    [`web.status.yaml:${line} cannot be understood: status.restarts: `],
  );
  assert.equal(failure(await store.get(WEB)), 'unavailable');
  assert.deepEqual(
    value(await store.list()).map(({ key }) => key),
    [OTHER],
  );
  value(await store.writeStatus(await find(store, OTHER), { phase: 'Degraded' }));
  await scratch.write('web.yaml', manifest(WEB, spec(4)));
  await store.refresh();
  assert.equal(failure(await store.get(WEB)), 'unavailable');
  assert.equal(await scratch.read('web.status.yaml'), spoilt);
});

inScratch('a sealed resource is neither deleted nor written, whatever becomes of its file', async (scratch) => {
  await hasRun(scratch);
  const before = await scratch.open();
  const seen = await find(before, WEB);
  await before.close();
  await spoil(scratch);
  const store = await scratch.open();
  await scratch.remove('web.yaml');
  await store.refresh();
  assert.equal(failure(await store.get(WEB)), 'unavailable');
  for (const write of [
    store.writeStatus(seen, STATUS),
    store.addFinalizer({ ...seen, finalizers: [] }),
    store.releaseFinalizer(seen),
  ]) {
    assert.equal(failure(await write), 'unavailable');
  }
});

inScratch('a mended status file brings its resource back with uid and counters', async (scratch) => {
  await hasRun(scratch);
  const whole = await spoil(scratch);
  const store = await scratch.open();
  const woken: string[] = [];
  store.watch((key) => woken.push(key.name));
  await scratch.write('web.status.yaml', whole);
  await store.refresh();
  const web = await find(store, WEB);
  assert.deepEqual([web.uid, web.status], [/uid: (.*)/.exec(whole)?.[1], STATUS]);
  assert.deepEqual([store.problems(), woken], [[], ['web']]);
});

inScratch('a sealed status file taken away on purpose lets the name begin anew', async (scratch) => {
  await hasRun(scratch);
  const whole = await spoil(scratch);
  const store = await scratch.open();
  await scratch.remove('web.status.yaml');
  await store.refresh();
  const web = await find(store, WEB);
  assert.notEqual(web.uid, /uid: (.*)/.exec(whole)?.[1]);
  assert.deepEqual([web.status, web.generation, store.problems()], [{}, 1, []]);
});

inScratch('a status file removed under a controller at work is written again', async (scratch) => {
  await hasRun(scratch);
  const store = await scratch.open();
  const web = await find(store, WEB);
  const whole = await scratch.read('web.status.yaml');
  await scratch.remove('web.status.yaml');
  await store.refresh();
  assert.equal(await scratch.read('web.status.yaml'), whole);
  assert.deepEqual(await find(store, WEB), web);
});

inScratch('all files removed at once, the status files too, is a deletion like any other', async (scratch) => {
  await hasRun(scratch);
  const store = await scratch.open();
  for (const file of ['web.yaml', 'web.status.yaml', 'other.yaml', 'other.status.yaml']) await scratch.remove(file);
  await store.refresh();
  const left = value(await store.list());
  assert.deepEqual(
    left.map(({ deletingSinceMs, status }) => [typeof deletingSinceMs, status]),
    [
      ['number', STATUS],
      ['number', STATUS],
    ],
  );
  assert.match(await scratch.read('web.status.yaml'), /deletionTimestamp: /);
});

inScratch('a status file of another store, and one that is none, are told and left alone', async (scratch) => {
  await hasRun(scratch);
  const text = (await scratch.read('web.status.yaml')).replace(/^store: .*/m, 'store: elsewhere');
  await scratch.write('web.status.yaml', text);
  await scratch.write('a.b.c.status.yaml', 'x');
  const store = await scratch.open();
  assert.deepEqual(store.problems(), [
    { file: 'a.b.c.status.yaml', message: 'is named like a status file and is none: rename it' },
    {
      file: 'web.status.yaml',
      message: `belongs to the store elsewhere, not to ${store.id}: remove it or put it back`,
    },
  ]);
  assert.equal(await scratch.read('web.status.yaml'), text);
});

inScratch('a resource of another namespace has a status file of its own', async (scratch) => {
  const there = { namespace: 'team-a', name: 'web' };
  await scratch.write('all.yaml', `${manifest(WEB, spec())}---\n${manifest(there, spec())}`);
  const store = await scratch.open();
  for (const key of [WEB, there]) value(await store.addFinalizer(await find(store, key)));
  assert.deepEqual(
    (await scratch.names()).filter((name) => name.endsWith('.status.yaml')),
    ['team-a.web.status.yaml', 'web.status.yaml'],
  );
});

inScratch('generation, last good spec and the reason of a bad edit survive a restart', async (scratch) => {
  await hasRun(scratch);
  const store = await scratch.open();
  await scratch.write('web.yaml', manifest(WEB, { ...spec(), replicas: -1 }));
  await store.refresh();
  const bad = value(await store.writeStatus(await find(store, WEB), STATUS));
  await store.close();
  const after = await find(await scratch.open(), WEB);
  assert.deepEqual({ ...after, version: '' }, { ...bad, version: '' });
  assert.deepEqual([after.generation, after.specGeneration, after.problems.length], [2, 1, 1]);
});

inScratch('an edit made while nobody is at work is one generation more', async (scratch) => {
  await hasRun(scratch);
  await scratch.write('web.yaml', `# a comment\n${manifest(WEB, spec())}`);
  await scratch.write('other.yaml', manifest(OTHER, spec(2)));
  const store = await scratch.open();
  assert.deepEqual([(await find(store, WEB)).generation, (await find(store, OTHER)).generation], [1, 2]);
});

inScratch('a status file may be read by whoever may read the file it repeats, whatever the umask', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec()));
  await scratch.write('other.yaml', manifest(OTHER, spec()));
  await chmod(`${scratch.path}/web.yaml`, 0o666);
  await chmod(`${scratch.path}/other.yaml`, 0o600);
  const store = await scratch.open();
  for (const key of [WEB, OTHER]) value(await store.addFinalizer(await find(store, key)));
  const modes = async () =>
    Promise.all(['web', 'other'].map(async (name) => (await stat(`${scratch.path}/${name}.status.yaml`)).mode & 0o777));
  assert.deepEqual(await modes(), [0o644, 0o600]);
  await scratch.remove('other.yaml');
  await store.refresh();
  assert.match(await scratch.read('other.status.yaml'), /deletionTimestamp: /);
  assert.deepEqual(await modes(), [0o644, 0o600]);
});

inScratch('looking again and again writes nothing', async (scratch) => {
  await hasRun(scratch);
  const store = await scratch.open();
  const prints = async () =>
    Promise.all((await scratch.names()).map(async (name) => [name, (await stat(`${scratch.path}/${name}`)).ctimeMs]));
  const before = await prints();
  for (let look = 0; look < 5; look += 1) await store.refresh();
  assert.deepEqual(await prints(), before);
});
