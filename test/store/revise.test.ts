import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { admit, canonicalJson, declare, type Held, revise } from '../../src/store/revise.ts';
import { catalogOf } from '../gen/catalog.ts';

const MODEL = { model: { uri: 'hf://org/model' } };
const BAD = { model: {}, replicas: 1 };
const web = (spec: unknown): Held =>
  admit({ namespace: 'default', name: 'web' }, declare(spec), { uid: 'uid-1', atMs: 0 });

/** Generation, generation of the spec, replicas and number of problems after each edit. */
function after(first: unknown, ...edits: readonly unknown[]): readonly string[] {
  let held = web(first);
  return [held, ...edits.map((edit) => (held = revise(held, declare(edit))))].map(
    ({ resource }) =>
      `${resource.generation} ${resource.specGeneration} ${resource.spec?.replicas} ${resource.problems.length}`,
  );
}

const STORIES: Readonly<Record<string, readonly [readonly [unknown, ...unknown[]], readonly string[]]>> = {
  'an edit': [
    [MODEL, { ...MODEL, replicas: 2 }],
    ['1 1 1 0', '2 2 2 0'],
  ],
  'an edit and its undoing': [
    [MODEL, { ...MODEL, replicas: 2 }, MODEL],
    ['1 1 1 0', '2 2 2 0', '3 3 1 0'],
  ],
  'a bad edit': [
    [MODEL, BAD],
    ['1 1 1 0', '2 1 1 1'],
  ],
  'a bad edit and its undoing': [
    [MODEL, BAD, MODEL],
    ['1 1 1 0', '2 1 1 1', '3 3 1 0'],
  ],
  'two bad edits': [
    [MODEL, BAD, { ...BAD, replicas: 2 }],
    ['1 1 1 0', '2 1 1 1', '3 1 1 1'],
  ],
  'a bad beginning, mended': [
    [BAD, MODEL],
    ['1 0 undefined 1', '2 2 1 0'],
  ],
  'a default written out': [
    [MODEL, { ...MODEL, replicas: 1, suspend: false }],
    ['1 1 1 0', '1 1 1 0'],
  ],
  'a default written out, then an edit': [
    [MODEL, { ...MODEL, replicas: 1 }, { ...MODEL, replicas: 3 }],
    ['1 1 1 0', '1 1 1 0', '2 2 3 0'],
  ],
};

describe('generations are counted over', () => {
  for (const [what, [[first, ...edits], expected]] of Object.entries(STORIES)) {
    test(what, () => assert.deepEqual(after(first, ...edits), expected));
  }
});

test('nothing changed is the very same object', () => {
  const held = web(MODEL);
  assert.equal(revise(held, declare({ ...MODEL })), held);
});

test('a text that another release judges otherwise keeps its generation', () => {
  const held = web(MODEL);
  const stricter = {
    ...declare(MODEL),
    spec: { ok: false, error: [{ field: 'spec.model', message: 'no longer' }] },
  } as const;
  const judged = revise(held, stricter);
  assert.deepEqual(
    [judged.resource.generation, judged.resource.spec, judged.resource.problems.length],
    [1, held.resource.spec, 1],
  );
  assert.deepEqual(revise(judged, declare(MODEL)), held);
});

test('canonical JSON does not depend on the order of keys', () => {
  assert.equal(canonicalJson({ b: [1, { d: null, c: undefined }], a: 'x' }), '{"a":"x","b":[1,{"c":null,"d":null}]}');
  assert.equal(canonicalJson({ a: 'x', b: [1, { c: null, d: null }] }), '{"a":"x","b":[1,{"c":null,"d":null}]}');
});

describe('another catalog', () => {
  const before = catalogOf({ big: { engine: { maxModelLen: 4096 } } });
  const later = catalogOf({ big: { engine: { maxModelLen: 8192 } } });
  const key = { namespace: 'default', name: 'web' };
  const first = admit(key, declare({ preset: 'big' }, {}, before), { uid: 'uid-1', atMs: 0 });

  test('is no edit: the next attempt is made from it, the jobs there are are known as before', () => {
    const { resource } = revise(first, declare({ preset: 'big' }, {}, later));
    assert.deepEqual([resource.generation, resource.specGeneration, resource.spec?.engine.maxModelLen], [1, 1, 8192]);
    assert.equal(resource.specHash, first.resource.specHash);
  });

  test('without the preset leaves the last good spec in force, and says why', () => {
    const { resource } = revise(first, declare({ preset: 'big' }));
    assert.deepEqual(
      [resource.generation, resource.spec?.engine.maxModelLen, resource.problems.map(({ field }) => field)],
      [1, 4096, ['spec.preset']],
    );
  });

  test('is another matter than a word of the person, which is an edit even if the preset says the same', () => {
    const written = declare({ preset: 'big', engine: { maxModelLen: 4096 } }, {}, before);
    const { resource } = revise(first, written);
    assert.equal(resource.generation, 2);
    assert.notEqual(resource.specHash, first.resource.specHash);
    const without = revise(
      first,
      declare({ model: { uri: 'hf://org/big' }, engine: { maxModelLen: 4096 } }, {}, before),
    );
    assert.deepEqual([without.resource.generation, without.resource.specHash], [2, undefined]);
  });
});
