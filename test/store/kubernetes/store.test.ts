import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { FINALIZER, type Resource } from '../../../src/api/resource.ts';
import type { ApiError, ApiRequest } from '../../../src/kubernetes/api.ts';
import { err, ok } from '../../../src/result.ts';
import { createKubernetesStore } from '../../../src/store/kubernetes/store.ts';
import { failure, find, value } from '../../contract/store.ts';
import { createManualClock, type ManualClock } from '../../gen/manual-clock.ts';
import { type HandDriven, handDriven, object } from '../../kubernetes/cluster.ts';

const KEY = { namespace: 'default', name: 'web' };
const PATH = '/apis/vllm-slurm.dev/v1alpha1/namespaces/default/vllmdeployments/web';
const SPEC = { model: { uri: 'hf://org/model' } };
const refused = (code: number, reason: string): ApiError => ({
  ...{ kind: 'refused', code, reason, message: reason },
  about: 'web',
});
const LOST: ApiError = { kind: 'unknown', message: 'the answer was lost' };
const DOWN: ApiError = { kind: 'unreachable', message: 'no connection' };

type KubernetesStore = Extract<Awaited<ReturnType<typeof createKubernetesStore>>, { readonly ok: true }>['value'];

describe('the Kubernetes store, when the API server answers otherwise', () => {
  let clock: ManualClock;
  let api: HandDriven;
  let store: KubernetesStore;

  beforeEach(async () => {
    clock = createManualClock();
    api = handDriven();
    api.lists(ok([web(5)]), '10');
    store = await open();
  });
  afterEach(() => store.close());

  const web = (version: number, more: object = {}) => ({ ...object('web', version, more as never), spec: SPEC });
  const open = async (namespaces: readonly string[] = []) =>
    value(
      await createKubernetesStore({ api, clock, random: () => 0.5, log: () => undefined, id: 'cluster', namespaces }),
    );
  /** Answers writes so, and a look at the object like that. */
  function answering(write: ApiError, look: ReturnType<typeof web> | undefined): void {
    api.answers(({ method, path }) => {
      if (path !== PATH && path !== `${PATH}/status`) return undefined;
      if (method !== 'GET') return err(write);
      return look ? ok(look) : err(refused(404, 'NotFound'));
    });
  }
  const asked = (): readonly string[] =>
    api.requests
      .filter(({ path }) => path.startsWith(PATH))
      .map(({ method, path }) => `${method} ${path.slice(PATH.length)}`);

  const WRITES: readonly (readonly [string, (seen: Resource) => Promise<string>])[] = [
    ['a status', async (seen) => failure(await store.writeStatus(seen, { phase: 'Running' }))],
    ['a finalizer', async (seen) => failure(await store.addFinalizer(seen))],
  ];
  for (const [what, write] of WRITES) {
    test(`${what} that somebody else came before is a conflict, and what he wrote is known at once`, async () => {
      answering(refused(409, 'Conflict'), web(12));
      const seen = await find(store, KEY);
      assert.equal(await write(seen), 'conflict');
      assert.equal((await find(store, KEY)).version, '12');
    });

    test(`${what} for a resource that is gone is a conflict`, async () => {
      answering(refused(404, 'NotFound'), undefined);
      assert.equal(await write(await find(store, KEY)), 'conflict');
    });

    test(`${what} whose answer was lost is unavailable, and what came of it is looked for`, async () => {
      answering(LOST, web(13));
      assert.equal(await write(await find(store, KEY)), 'unavailable');
      assert.equal((await find(store, KEY)).version, '13');
    });

    test(`${what} that never arrived is unavailable, and nothing is looked for`, async () => {
      answering(DOWN, web(13));
      assert.equal(await write(await find(store, KEY)), 'unavailable');
      assert.equal((await find(store, KEY)).version, '5');
    });

    test(`${what} that is refused for what it is, is unavailable`, async () => {
      answering(refused(422, 'Invalid'), web(5));
      assert.equal(await write(await find(store, KEY)), 'unavailable');
    });
  }

  test('a status goes out with the uid and the version that were seen, and without a spec', async () => {
    let body: unknown;
    api.answers((request: ApiRequest) => {
      if (request.method !== 'PUT') return undefined;
      body = request.body;
      return ok(web(11));
    });
    value(await store.writeStatus(await find(store, KEY), { phase: 'Running' }));
    assert.deepEqual(body, {
      apiVersion: 'vllm-slurm.dev/v1alpha1',
      kind: 'VLLMDeployment',
      metadata: { ...KEY, uid: 'uid-web', resourceVersion: '5' },
      status: { phase: 'Running' },
    });
  });

  test('a finalizer that is not wanted any more by anybody is released, whoever was quicker', async () => {
    const deleting = { deletionTimestamp: '2026-01-01T00:01:00Z', finalizers: [FINALIZER] };
    api.tell({ type: 'MODIFIED', object: web(20, deleting) });
    const seen = await find(store, KEY);
    answering(refused(409, 'Conflict'), undefined);
    assert.deepEqual(await store.releaseFinalizer(seen), ok(undefined));
    answering(refused(409, 'Conflict'), web(21, deleting));
    assert.equal(failure(await store.releaseFinalizer(seen)), 'conflict');
    answering(refused(409, 'Conflict'), web(30, { uid: 'uid-another' }));
    assert.deepEqual(await store.releaseFinalizer(seen), ok(undefined));
    answering(LOST, web(21, deleting));
    assert.equal(failure(await store.releaseFinalizer(seen)), 'unavailable');
  });

  test('a name that is not in the cache is asked for before it counts as gone', async () => {
    const other = { namespace: 'default', name: 'api' };
    api.answers(({ path }) => (path.endsWith('/api') ? err(refused(404, 'NotFound')) : undefined));
    assert.deepEqual(await store.get(other), ok(undefined));
    api.answers(({ path }) => (path.endsWith('/api') ? ok({ ...object('api', 11), spec: SPEC }) : undefined));
    assert.equal((await find(store, other)).version, '11');
    // The kind itself is unknown: its definition is being replaced, or the server has only begun.
    const unknownKind: ApiError = { kind: 'refused', code: 404, reason: 'NotFound', message: 'no such resource' };
    for (const error of [DOWN, LOST, unknownKind, refused(403, 'Forbidden')]) {
      api.answers(({ path }) => (path.endsWith('/api') ? err(error) : undefined));
      assert.equal(failure(await store.get(other)), 'unavailable');
    }
    assert.deepEqual(asked(), []);
  });

  test('a cache that nothing proves present is no knowledge any more, until something does', async () => {
    api.lists(err(DOWN));
    api.ends(err(refused(410, 'Expired')));
    await clock.advance(40_000);
    assert.equal((await store.list()).ok, true);
    await clock.advance(10_000);
    assert.equal(failure(await store.list()), 'unavailable');
    assert.equal(failure(await store.get(KEY)), 'unavailable');
    api.lists(ok([web(50)]), '60');
    await clock.advance(15_000);
    assert.equal((await find(store, KEY)).version, '50');
  });

  test('a namespace that is not looked after is unknown, never empty', async () => {
    const narrow = await open(['team-a']);
    assert.equal(failure(await narrow.get(KEY)), 'unavailable');
    assert.equal(api.watches.at(-1)?.path, '/apis/vllm-slurm.dev/v1alpha1/namespaces/team-a/vllmdeployments');
    await narrow.close();
  });

  test('a status that cannot be read harms its own resource alone, and is told', async () => {
    const torn = { ...object('torn', 11), spec: SPEC, status: { phase: 7 } };
    api.tell({ type: 'ADDED', object: torn });
    assert.deepEqual(
      value(await store.list()).map(({ key }) => key.name),
      ['web'],
    );
    assert.equal(failure(await store.get({ namespace: 'default', name: 'torn' })), 'unavailable');
    const [problem] = store.problems();
    assert.match(problem?.message ?? '', /^the status of default\/torn cannot be read: status\.phase: /);
  });

  test('the last good spec is noted when the present one is not, and the note goes when it is good again', async () => {
    const notes: unknown[] = [];
    api.answers((request) => {
      const { metadata } = (request.body ?? {}) as { readonly metadata?: { readonly annotations?: object } };
      if (request.method === 'PATCH') notes.push(metadata?.annotations);
      if (request.method === 'GET') return undefined;
      const noted = Object.entries((notes.at(-1) ?? {}) as object).filter(([, text]) => text !== null);
      const annotations = Object.fromEntries(noted);
      return ok({ ...web(api.requests.length + 100, { annotations }), spec: { ...SPEC, replicas: -1 } });
    });
    api.tell({ type: 'MODIFIED', object: { ...web(11, { generation: 2 }), spec: { ...SPEC, replicas: -1 } } });
    const bad = await find(store, KEY);
    assert.deepEqual([bad.specGeneration, bad.spec?.replicas], [1, 1]);
    value(await store.writeStatus(bad, { phase: 'Invalid' }));
    value(await store.writeStatus(await find(store, KEY), { phase: 'Stalled' }));
    assert.equal(notes.length, 1);
    const [note] = Object.values(notes[0] as Readonly<Record<string, string>>);
    assert.deepEqual(JSON.parse(note ?? ''), { generation: 1, spec: JSON.parse(JSON.stringify(bad.spec)) });

    const annotations = notes[0] as object;
    api.tell({ type: 'MODIFIED', object: web(500, { generation: 3, annotations }) });
    value(await store.writeStatus(await find(store, KEY), { phase: 'Running' }));
    assert.deepEqual(notes[1], { 'vllm-slurm.dev/last-good-spec': null });
  });
});

test('a cluster that cannot be asked for its identity is waited for, and then told what would help', async () => {
  const clock = createManualClock();
  const api = handDriven();
  let times = 0;
  api.answers(({ path }) => {
    if (!path.endsWith('/kube-system')) return undefined;
    times += 1;
    return times < 3 ? err(DOWN) : ok({ metadata: { uid: '7A1C-uid' } });
  });
  const options = { api, clock, random: () => 0.5, log: () => undefined };
  const opening = createKubernetesStore(options);
  await clock.advance(5_000);
  const store = value(await opening);
  assert.equal(store.id, '7a1c-uid');
  await store.close();

  api.answers(({ path }) => (path.endsWith('/kube-system') ? err(refused(403, 'Forbidden')) : undefined));
  const failing = createKubernetesStore(options);
  await clock.advance(60_000);
  const failed = await failing;
  assert.match(
    failed.ok ? '' : failed.error.message,
    /allow `get` on the namespace kube-system, or set kubernetes\.clusterId/,
  );
});
