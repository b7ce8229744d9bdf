import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Key } from '../../src/api/key.ts';
import { FINALIZER, type Resource } from '../../src/api/resource.ts';
import type { SpecInput } from '../../src/api/spec.ts';
import { Spec } from '../../src/api/spec.ts';
import type { Status } from '../../src/api/status.ts';
import type { Result } from '../../src/result.ts';
import type { Store, StoreError } from '../../src/store/store.ts';

/** A store with a person at its other end. */
export type StoreSubject = {
  readonly store: Store;
  /** Declares the spec as a person does; resolves once the store has noticed. */
  apply(key: Key, spec: SpecInput | Record<string, unknown>): Promise<void>;
  remove(key: Key): Promise<void>;
  /** What another process, or the same one restarted, finds. Where nothing outlives the process: the store itself. */
  reopen(): Promise<Store>;
  /** Closes the store and leaves nothing behind. */
  dispose(): Promise<void>;
};

const WEB: Key = { namespace: 'default', name: 'web' };
const API: Key = { namespace: 'team-a', name: 'api' };
const ONE: SpecInput = { model: { uri: 'hf://org/model' } };
const THREE: SpecInput = { ...ONE, replicas: 3 };
const STATUS: Status = {
  observedGeneration: 1,
  phase: 'Running',
  replicas: 1,
  readyReplicas: 1,
  url: 'http://node001:20001',
  records: [
    {
      replica: 0,
      attempt: 4,
      settledAttempt: 3,
      failures: [{ time: '2026-01-02T03:04:05Z', spends: true }],
      jobId: '812',
    },
  ],
  excludedNodes: [{ name: 'node002', reason: 'NodeFailed', until: '2026-01-02T04:04:05Z' }],
  lastFailure: {
    reason: 'EngineFailed',
    message: 'it said: "no"\n# not a comment\n\ttab, é, 漢, 🙂',
    replica: 0,
    attempt: 3,
    time: '2026-01-02T03:04:05Z',
  },
  conditions: [
    {
      type: 'Ready',
      status: 'True',
      reason: 'Serving',
      message: 'yes: all',
      lastTransitionTime: '2026-01-02T03:04:05Z',
    },
  ],
};

/** What every store keeps. Run on each adapter. */
export function storeContract(name: string, make: () => Promise<StoreSubject>): void {
  const holds = (sentence: string, body: (subject: StoreSubject) => Promise<void>) =>
    test(sentence, async () => {
      const subject = await make();
      try {
        await body(subject);
      } finally {
        await subject.dispose();
      }
    });

  describe(`${name} keeps the store's contract`, () => {
    holds('its id is a DNS-safe word', async ({ store }) => {
      assert.match(store.id, /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
    });

    holds('an empty store lists nothing and misses every name', async ({ store }) => {
      assert.deepEqual(await store.list(), { ok: true, value: [] });
      assert.deepEqual(await store.get(WEB), { ok: true, value: undefined });
      assert.deepEqual(store.problems(), []);
    });

    holds('a new resource has generation 1, defaults filled in and nothing else', async ({ store, apply }) => {
      await apply(WEB, ONE);
      const web = await find(store, WEB);
      assert.deepEqual(
        { ...web, uid: '', version: '', createdMs: 0 },
        {
          key: WEB,
          uid: '',
          generation: 1,
          version: '',
          createdMs: 0,
          finalizers: [],
          annotations: {},
          spec: Spec.parse(ONE),
          specGeneration: 1,
          problems: [],
          status: {},
        },
      );
      assert.match(web.uid, /^[-a-zA-Z0-9]{1,64}$/);
    });

    holds('list has every resource, each as get has it', async ({ store, apply }) => {
      await apply(WEB, ONE);
      await apply(API, THREE);
      const listed = value(await store.list());
      assert.equal(listed.length, 2);
      for (const resource of listed) assert.deepEqual(await find(store, resource.key), resource);
      assert.deepEqual(listed.map((resource) => resource.key.name).sort(), ['api', 'web']);
    });

    holds('an edit raises the generation, the same spec again does not', async ({ store, apply }) => {
      await apply(WEB, ONE);
      const first = await find(store, WEB);
      await apply(WEB, THREE);
      const second = await find(store, WEB);
      assert.deepEqual(
        { ...second, version: '' },
        { ...first, version: '', generation: 2, specGeneration: 2, spec: Spec.parse(THREE) },
      );
      await apply(WEB, THREE);
      assert.deepEqual(await find(store, WEB), second);
    });

    holds('a default written out is no change', async ({ store, apply }) => {
      await apply(WEB, ONE);
      await apply(WEB, { ...ONE, replicas: 1 });
      assert.equal((await find(store, WEB)).generation, 1);
    });

    holds('an invalid edit keeps the last good spec and says why', async ({ store, apply }) => {
      await apply(WEB, ONE);
      await apply(WEB, { ...ONE, replicas: -1 });
      const web = await find(store, WEB);
      assert.equal(web.generation, 2);
      assert.equal(web.specGeneration, 1);
      assert.deepEqual(web.spec, Spec.parse(ONE));
      assert.deepEqual(
        web.problems.map((problem) => problem.field),
        ['spec.replicas'],
      );
      await apply(WEB, THREE);
      const mended = await find(store, WEB);
      assert.deepEqual(
        [mended.generation, mended.specGeneration, mended.spec, mended.problems],
        [3, 3, Spec.parse(THREE), []],
      );
    });

    holds('the last good spec is known to another process, too', async ({ store, apply, reopen }) => {
      await apply(WEB, ONE);
      await apply(WEB, { ...ONE, replicas: -1 });
      const written = value(await store.writeStatus(await find(store, WEB), { phase: 'Invalid' }));
      const { spec, specGeneration, problems, annotations } = await find(await reopen(), WEB);
      assert.deepEqual([spec, specGeneration, annotations], [Spec.parse(ONE), 1, {}]);
      assert.deepEqual(problems, written.problems);
    });

    holds('a resource that was never valid has no spec, and problems', async ({ store, apply }) => {
      await apply(WEB, { model: {} });
      const web = await find(store, WEB);
      assert.equal(web.spec, undefined);
      assert.deepEqual(
        web.problems.map((problem) => problem.field),
        ['spec.model.uri'],
      );
    });

    holds('a status comes back as it was written, from another process too', async ({ store, apply, reopen }) => {
      await apply(WEB, ONE);
      const before = await find(store, WEB);
      const written = value(await store.writeStatus(before, STATUS));
      assert.deepEqual({ ...written, version: before.version }, { ...before, status: STATUS });
      assert.deepEqual(await find(store, WEB), written);
      const again = await find(await reopen(), WEB);
      assert.deepEqual({ ...again, version: '' }, { ...written, version: '' });
    });

    holds(
      'a status written by somebody else in between is a conflict and changes nothing',
      async ({ store, apply }) => {
        await apply(WEB, ONE);
        const seen = await find(store, WEB);
        const written = value(await store.writeStatus(seen, STATUS));
        assert.equal(failure(await store.writeStatus(seen, { phase: 'Failed' })), 'conflict');
        assert.deepEqual(await find(store, WEB), written);
      },
    );

    holds('of two writes at once on one view, one wins', async ({ store, apply }) => {
      await apply(WEB, ONE);
      const seen = await find(store, WEB);
      const answers = await Promise.all([
        store.writeStatus(seen, { phase: 'Pending' }),
        store.writeStatus(seen, { phase: 'Failed' }),
      ]);
      assert.deepEqual(answers.map((answer) => answer.ok).sort(), [false, true]);
      const winner = answers.find((answer) => answer.ok);
      assert.deepEqual(await find(store, WEB), winner?.value);
    });

    holds('a status for a spec that was edited since is a conflict', async ({ store, apply }) => {
      await apply(WEB, ONE);
      const seen = await find(store, WEB);
      await apply(WEB, THREE);
      assert.equal(failure(await store.writeStatus(seen, STATUS)), 'conflict');
      assert.deepEqual((await find(store, WEB)).status, {});
    });

    holds('a status that could not be read back is refused', async ({ store, apply }) => {
      await apply(WEB, ONE);
      const seen = await find(store, WEB);
      assert.equal(failure(await store.writeStatus(seen, { url: 'x'.repeat(513) })), 'unavailable');
      assert.deepEqual(await find(store, WEB), seen);
    });

    holds(
      'without a finalizer a removed resource is gone, and a write to it is a conflict',
      async ({ store, apply, remove }) => {
        await apply(WEB, ONE);
        const seen = await find(store, WEB);
        await remove(WEB);
        assert.deepEqual(await store.get(WEB), { ok: true, value: undefined });
        assert.deepEqual(await store.list(), { ok: true, value: [] });
        assert.equal(failure(await store.writeStatus(seen, STATUS)), 'conflict');
        assert.equal(failure(await store.addFinalizer(seen)), 'conflict');
      },
    );

    holds(
      'with a finalizer a removed resource stays, deleting, until it is released',
      async ({ store, apply, remove, reopen }) => {
        await apply(WEB, ONE);
        const held = value(await store.addFinalizer(await find(store, WEB)));
        assert.deepEqual(held.finalizers, [FINALIZER]);
        assert.deepEqual(value(await store.addFinalizer(held)), held);
        await remove(WEB);
        const deleting = await find(store, WEB);
        // The API server counts a removal as a change of the generation; a directory does not.
        const { generation, specGeneration } = deleting;
        assert.equal(specGeneration, generation);
        assert.deepEqual(
          { ...deleting, version: held.version, deletingSinceMs: 0 },
          { ...held, generation, specGeneration, deletingSinceMs: 0 },
        );
        assert.equal(typeof deleting.deletingSinceMs, 'number');
        assert.deepEqual(value(await store.list()), [deleting]);
        const written = value(await store.writeStatus(deleting, { phase: 'Deleting' }));
        const after = await reopen();
        const again = await find(after, WEB);
        assert.deepEqual({ ...again, version: '' }, { ...written, version: '' });
        assert.deepEqual(await after.releaseFinalizer(again), { ok: true, value: undefined });
        assert.deepEqual(await after.get(WEB), { ok: true, value: undefined });
        assert.deepEqual(await after.list(), { ok: true, value: [] });
        assert.deepEqual(await after.releaseFinalizer(again), { ok: true, value: undefined });
      },
    );

    holds(
      'a finalizer is not released from a resource nobody deletes, nor on an old view',
      async ({ store, apply, remove }) => {
        await apply(WEB, ONE);
        const held = value(await store.addFinalizer(await find(store, WEB)));
        assert.equal(failure(await store.releaseFinalizer(held)), 'conflict');
        await remove(WEB);
        const deleting = await find(store, WEB);
        const written = value(await store.writeStatus(deleting, { phase: 'Deleting' }));
        assert.equal(failure(await store.releaseFinalizer(deleting)), 'conflict');
        assert.deepEqual(await find(store, WEB), written);
      },
    );

    holds(
      'a name that comes back while deleting waits, and then is another resource',
      async ({ store, apply, remove }) => {
        await apply(WEB, ONE);
        const old = value(await store.writeStatus(value(await store.addFinalizer(await find(store, WEB))), STATUS));
        await remove(WEB);
        await apply(WEB, THREE);
        const deleting = await find(store, WEB);
        assert.deepEqual([deleting.uid, deleting.spec], [old.uid, Spec.parse(ONE)]);
        assert.notEqual(deleting.deletingSinceMs, undefined);
        assert.deepEqual(await store.releaseFinalizer(deleting), { ok: true, value: undefined });
        const next = await find(store, WEB);
        assert.notEqual(next.uid, old.uid);
        assert.deepEqual(
          [next.spec, next.generation, next.status, next.finalizers, next.deletingSinceMs],
          [Spec.parse(THREE), 1, {}, [], undefined],
        );
        assert.equal(failure(await store.writeStatus(deleting, STATUS)), 'conflict');
        assert.deepEqual(await store.releaseFinalizer(deleting), { ok: true, value: undefined });
        assert.deepEqual(await find(store, WEB), next);
      },
    );

    holds('it wakes by name for what people do and not for its own writes', async ({ store, apply, remove }) => {
      const woken: Key[] = [];
      store.watch((key) => woken.push(key));
      await apply(WEB, ONE);
      assert.deepEqual(woken, [WEB]);
      const held = value(await store.addFinalizer(await find(store, WEB)));
      value(await store.writeStatus(held, STATUS));
      assert.deepEqual(woken, [WEB]);
      await apply(WEB, THREE);
      await apply(API, ONE);
      assert.deepEqual(woken, [WEB, WEB, API]);
      await remove(WEB);
      assert.deepEqual(woken, [WEB, WEB, API, WEB]);
    });
  });
}

export function value<T>(answer: Result<T, unknown>): T {
  assert.ok(answer.ok, `refused: ${JSON.stringify(answer)}`);
  return answer.value;
}

export function failure(answer: Result<unknown, StoreError>): StoreError['kind'] {
  assert.ok(!answer.ok, `succeeded: ${JSON.stringify(answer)}`);
  return answer.error.kind;
}

export async function find(store: Pick<Store, 'get'>, key: Key): Promise<Resource> {
  const found = value(await store.get(key));
  assert.ok(found, `${key.namespace}/${key.name} is not there`);
  return found;
}
