import assert from 'node:assert/strict';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Key } from '../../../src/api/key.ts';
import { find, value } from '../../contract/store.ts';
import { eventually, inScratch, manifest, OTHER, spec, WEB } from './scratch.ts';

/** Notices of the kernel alone: the next look by the clock would be in an hour. */
const LIVE = { settleMs: 20, removalGraceMs: 50 };

inScratch('new, changed and removed files wake their resources without being asked for', async (scratch) => {
  const store = await scratch.open(LIVE);
  const woken: Key[] = [];
  store.watch((key) => woken.push(key));
  await writeFile(join(scratch.path, 'web.yaml'), manifest(WEB, spec()));
  await eventually('web is there', async () => value(await store.get(WEB)) !== undefined);
  await writeFile(join(scratch.path, 'web.yaml'), manifest(WEB, spec(2)));
  await eventually('the edit is seen', async () => (await find(store, WEB)).generation === 2);
  await scratch.remove('web.yaml');
  await eventually('the removal is seen', async () => value(await store.get(WEB)) === undefined);
  assert.deepEqual(woken, [WEB, WEB, WEB]);
});

inScratch('a file written piece by piece is read once, whole', async (scratch) => {
  const store = await scratch.open({ ...LIVE, settleMs: 150 });
  const text = manifest(WEB, spec(3));
  for (let end = 0; end <= text.length; end += 20) await writeFile(join(scratch.path, 'web.yaml'), text.slice(0, end));
  await writeFile(join(scratch.path, 'web.yaml'), text);
  await eventually('web is there', async () => value(await store.get(WEB)) !== undefined);
  const web = await find(store, WEB);
  assert.deepEqual([web.generation, web.spec?.replicas, web.problems], [1, 3, []]);
});

inScratch('its own writes wake nobody and make nobody look', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec()));
  const store = await scratch.open(LIVE);
  const woken: Key[] = [];
  store.watch((key) => woken.push(key));
  let resource = value(await store.addFinalizer(await find(store, WEB)));
  for (let restarts = 0; restarts < 20; restarts += 1)
    resource = value(await store.writeStatus(resource, { restarts }));
  await scratch.write('other.yaml', manifest(OTHER, spec()));
  await eventually('the other is there', async () => value(await store.get(OTHER)) !== undefined);
  assert.deepEqual(woken, [OTHER]);
});

inScratch('where the kernel tells nothing the clock makes it look', async (scratch) => {
  const store = await scratch.open({ settleMs: 0, rescanMs: 50 });
  const replicas = async () => {
    const got = await store.get(WEB); // on a busy machine the next look may be so late that nothing is vouched for
    return got.ok ? got.value?.spec?.replicas : undefined;
  };
  await scratch.write('.linked', manifest(WEB, spec(1)));
  await symlink('.linked', join(scratch.path, 'web.yaml'));
  await eventually('web is there', async () => (await replicas()) === 1);
  await writeFile(join(scratch.path, '.linked'), manifest(WEB, spec(2)));
  await eventually('what the link points to is seen', async () => (await replicas()) === 2);
});
