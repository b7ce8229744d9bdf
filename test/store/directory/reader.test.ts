import assert from 'node:assert/strict';
import { openDirectory } from '../../../src/store/directory/reader.ts';
import { failure, find, value } from '../../contract/store.ts';
import { inScratch, manifest, OTHER, type Scratch, spec, WEB } from './scratch.ts';

const clock = { now: () => 1_700_000_000_000, after: () => () => undefined };

async function reader(scratch: Scratch) {
  const opened = await openDirectory(scratch.path, clock);
  assert.ok(opened.ok, JSON.stringify(opened));
  return opened.value;
}

inScratch('a reader sees what the controller at work sees, and makes nothing', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec(2)));
  const store = await scratch.open();
  value(await store.writeStatus(value(await store.addFinalizer(await find(store, WEB))), { phase: 'Running' }));
  const names = await scratch.names();
  const seen = await find(await reader(scratch), WEB);
  assert.deepEqual({ ...seen, version: '' }, { ...(await find(store, WEB)), version: '' });
  assert.deepEqual(await scratch.names(), names);
});

inScratch('a reader follows what is written after it was opened', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec()));
  const store = await scratch.open();
  const held = value(await store.addFinalizer(await find(store, WEB)));
  const read = await reader(scratch);
  assert.deepEqual((await find(read, WEB)).status, {});
  const running = value(await store.writeStatus(held, { phase: 'Running' }));
  assert.deepEqual((await find(read, WEB)).status, { phase: 'Running' });
  await scratch.remove('web.yaml');
  assert.equal((await find(read, WEB)).deletingSinceMs, undefined);
  await store.refresh();
  assert.equal(typeof (await find(read, WEB)).deletingSinceMs, 'number');
  const deleting = await find(store, WEB);
  assert.equal(deleting.uid, running.uid);
  value(await store.releaseFinalizer(deleting));
  assert.deepEqual(await read.list(), { ok: true, value: [] });
});

inScratch('what no controller has seen yet is shown without a uid, and a bad edit with its reason', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec()));
  const store = await scratch.open();
  value(await store.addFinalizer(await find(store, WEB)));
  await store.close();
  await scratch.write('other.yaml', manifest(OTHER, spec()));
  await scratch.write('web.yaml', manifest(WEB, { ...spec(), replicas: 'two' }));
  const read = await reader(scratch);
  const [web, other] = [await find(read, WEB), await find(read, OTHER)];
  assert.deepEqual([other.uid, other.generation, other.createdMs], ['', 1, clock.now()]);
  assert.deepEqual(
    [web.generation, web.specGeneration, web.problems.map(({ file, line, field }) => `${file}:${line} ${field}`)],
    [2, 1, ['web.yaml:8 spec.replicas']],
  );
});

inScratch('a reader tells of files it cannot read, and shows the rest', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec()));
  const store = await scratch.open();
  value(await store.addFinalizer(await find(store, WEB)));
  await scratch.write('bad.yaml', 'a: [');
  await scratch.write('other.status.yaml', 'nonsense');
  const read = await reader(scratch);
  assert.deepEqual(
    value(await read.list()).map(({ key }) => key),
    [WEB],
  );
  assert.equal(failure(await read.get(OTHER)), 'unavailable');
  assert.deepEqual(
    read.problems().map(({ file, line }) => `${file}:${line}`),
    ['bad.yaml:1', 'other.status.yaml:1'],
  );
});

inScratch('a directory without a store is said to be one, not to be empty', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec()));
  const opened = await openDirectory(scratch.path, clock);
  assert.deepEqual(opened, {
    ok: false,
    error: {
      kind: 'unavailable',
      message: `${scratch.path} holds no deployments yet: a controller makes .vllm-slurm.yaml there at its first start`,
    },
  });
  assert.deepEqual(await scratch.names(), ['web.yaml']);
  const nowhere = await openDirectory(`${scratch.path}/nowhere`, clock);
  assert.equal(nowhere.ok ? '' : nowhere.error.message, `${scratch.path}/nowhere: no such file or directory`);
});

inScratch('a reader edits files as its controller would find them', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec()));
  const store = await scratch.open();
  const read = await reader(scratch);
  value(await read.setReplicas(WEB, 4));
  assert.equal((await find(read, WEB)).spec?.replicas, 4);
  await store.refresh();
  assert.equal((await find(store, WEB)).spec?.replicas, 4);
  value(await read.remove(WEB));
  await store.refresh();
  assert.deepEqual(await store.list(), { ok: true, value: [] });
});
