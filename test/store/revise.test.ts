import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { admit, canonicalJson, declare, type Held, revise } from '../../src/store/revise.ts';

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
