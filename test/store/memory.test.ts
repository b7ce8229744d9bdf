import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStore, type MemoryStore } from '../../src/store/memory.ts';
import { failure, find, storeContract, value } from '../contract/store.ts';

const WEB = { namespace: 'default', name: 'web' };
const SPEC = { model: { uri: 'hf://org/model' } };

function memoryStore(): MemoryStore {
  let ids = 0;
  return createMemoryStore({
    clock: { now: () => 1_700_000_000_000, after: () => () => undefined },
    newId: () => `uid-${++ids}`,
  });
}

storeContract('the memory store', async () => {
  const store = memoryStore();
  return {
    store,
    apply: async (key, spec) => store.apply(key, spec),
    remove: async (key) => store.remove(key),
    reopen: async () => store,
    dispose: () => store.close(),
  };
});

test('a conflict and a silence leave the resource as it was, and count no write', async () => {
  const store = memoryStore();
  store.apply(WEB, SPEC);
  const seen = await find(store, WEB);
  store.failNext('writeStatus', 'conflict');
  store.failNext('writeStatus', 'unavailable', 2);
  const answers = [];
  for (let call = 0; call < 3; call += 1) answers.push(failure(await store.writeStatus(seen, { phase: 'Pending' })));
  assert.deepEqual(answers, ['conflict', 'unavailable', 'unavailable']);
  assert.deepEqual(await find(store, WEB), seen);
  assert.equal(store.writes(), 0);
  assert.deepEqual(value(await store.writeStatus(seen, { phase: 'Pending' })).status, { phase: 'Pending' });
  assert.equal(store.writes(), 1);
});

test('a write whose answer is lost took effect', async () => {
  const store = memoryStore();
  store.apply(WEB, SPEC);
  const seen = await find(store, WEB);
  store.failNext('writeStatus', 'lost');
  assert.equal(failure(await store.writeStatus(seen, { phase: 'Pending' })), 'unavailable');
  assert.deepEqual((await find(store, WEB)).status, { phase: 'Pending' });
  assert.equal(failure(await store.writeStatus(seen, { phase: 'Failed' })), 'conflict');
});

test('a release whose answer is lost may be repeated', async () => {
  const store = memoryStore();
  store.apply(WEB, SPEC);
  value(await store.addFinalizer(await find(store, WEB)));
  store.remove(WEB);
  const deleting = await find(store, WEB);
  store.failNext('releaseFinalizer', 'lost');
  assert.equal(failure(await store.releaseFinalizer(deleting)), 'unavailable');
  assert.deepEqual(await store.releaseFinalizer(deleting), { ok: true, value: undefined });
});

test('reads fail when told to, until healed', async () => {
  const store = memoryStore();
  store.failNext('list', 'unavailable', 5);
  store.failNext('get', 'unavailable');
  assert.equal(failure(await store.list()), 'unavailable');
  assert.equal(failure(await store.get(WEB)), 'unavailable');
  store.heal();
  assert.deepEqual(await store.list(), { ok: true, value: [] });
});

test('a resource that is being deleted takes new annotations, such as the one that forces its release', async () => {
  const store = memoryStore();
  store.apply(WEB, SPEC);
  value(await store.addFinalizer(await find(store, WEB)));
  store.remove(WEB);
  store.apply(WEB, { ...SPEC, replicas: 2 }, { 'vllm-slurm.dev/force-release': 'true' });
  const deleting = await find(store, WEB);
  assert.deepEqual([deleting.generation, deleting.annotations], [1, { 'vllm-slurm.dev/force-release': 'true' }]);
});

test('a sealed resource is out of the list, beyond reach and told of, and the others go on', async () => {
  const store = memoryStore();
  const other = { ...WEB, name: 'other' };
  for (const key of [WEB, other]) store.apply(key, SPEC);
  const seen = await find(store, WEB);
  store.seal(WEB);
  assert.deepEqual(
    value(await store.list()).map(({ key }) => key),
    [other],
  );
  assert.deepEqual(
    [await store.get(WEB), await store.writeStatus(seen, {}), await store.addFinalizer(seen)].map(failure),
    ['unavailable', 'unavailable', 'unavailable'],
  );
  assert.deepEqual(
    store.problems().map(({ file }) => file),
    ['default/web'],
  );
  store.heal();
  assert.deepEqual(await find(store, WEB), seen);
});
