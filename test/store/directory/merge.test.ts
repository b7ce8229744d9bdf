import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Reading, readDocuments } from '../../../src/store/directory/documents.ts';
import { type Entry, type Merged, type MergeInput, merge } from '../../../src/store/directory/merge.ts';
import { manifest, OTHER, spec, WEB } from './scratch.ts';

const NOW = 1_700_000_000_000;
const BROKEN = 'kind: [';

function read(files: Readonly<Record<string, string>>): ReadonlyMap<string, Reading> {
  return new Map(Object.entries(files).map(([file, text]) => [file, readDocuments(file, Buffer.from(text))]));
}

function merged(files: Readonly<Record<string, string>>, over: Partial<MergeInput> = {}): Merged {
  let uids = 0;
  return merge({
    entries: new Map(),
    readings: read(files),
    sealed: new Set(),
    missing: new Map(),
    nowMs: NOW,
    graceMs: 1000,
    newUid: () => `uid-${++uids}`,
    ...over,
  });
}

/** What was known after these files had been seen. */
const known = (files: Readonly<Record<string, string>>): ReadonlyMap<string, Entry> => merged(files).changed;

/** Each changed key with its source, generation and replicas. */
const changes = ({ changed }: Merged) =>
  [...changed].map(([name, { source, held, obstacles }]) =>
    [
      name,
      source,
      `g${held.resource.generation}`,
      `r${held.resource.spec?.replicas}`,
      ...obstacles.map(({ file, line, message }) => `${file}:${line} ${message}`),
    ].join(' '),
  );

describe('files and what is known', () => {
  test('a file read again unchanged changes nothing', () => {
    const files = { 'a.yaml': manifest(WEB, spec()), 'b.yaml': manifest(OTHER, spec()) };
    assert.deepEqual(merged(files, { entries: known(files) }), {
      changed: new Map(),
      removed: [],
      missing: new Map(),
      problems: [],
    });
  });

  test('of two files with one name the first known keeps it, and the other is named with both places', () => {
    const entries = known({ 'z.yaml': manifest(WEB, spec(1)) });
    const both = merged({ 'a.yaml': manifest(WEB, spec(2)), 'z.yaml': manifest(WEB, spec(1)) }, { entries });
    assert.deepEqual(changes(both), []);
    assert.deepEqual(both.problems, [
      { file: 'a.yaml', line: 2, message: 'default/web is declared in z.yaml:2 already; this one is passed over' },
    ]);
  });

  test('of two new files with one name the first by file name has it', () => {
    const both = merged({ 'a.yaml': manifest(WEB, spec(2)), 'b.yaml': manifest(WEB, spec(3)) });
    assert.deepEqual(changes(both), ['default/web a.yaml g1 r2']);
    assert.deepEqual(
      both.problems.map(({ file }) => file),
      ['b.yaml'],
    );
  });

  test('of two documents of one file with one name the first has it', () => {
    const both = merged({ 'a.yaml': `${manifest(WEB, spec(2))}---\n${manifest(WEB, spec(3))}` });
    assert.deepEqual([changes(both), both.problems.length], [['default/web a.yaml g1 r2'], 1]);
  });

  test('when the file that had a name goes, the other takes over as an edit, not as a deletion', () => {
    const entries = known({ 'a.yaml': manifest(WEB, spec(2)), 'b.yaml': manifest(WEB, spec(3)) });
    const after = merged({ 'b.yaml': manifest(WEB, spec(3)) }, { entries });
    assert.deepEqual([changes(after), after.removed, after.problems], [['default/web b.yaml g2 r3'], [], []]);
  });

  test('a renamed file is the same resource', () => {
    const entries = known({ 'a.yaml': manifest(WEB, spec(2)) });
    const after = merged({ 'b.yaml': manifest(WEB, spec(2)) }, { entries });
    assert.deepEqual([changes(after), after.missing], [['default/web b.yaml g1 r2'], new Map()]);
  });

  test('what no file declares is removed after a grace, counted from the first look without it', () => {
    const entries = known({ 'a.yaml': manifest(WEB, spec()) });
    const first = merged({}, { entries });
    assert.deepEqual([first.removed, first.missing], [[], new Map([['default/web', NOW]])]);
    const early = merged({}, { entries, missing: first.missing, nowMs: NOW + 999 });
    assert.deepEqual([early.removed, early.missing], [[], first.missing]);
    const late = merged({}, { entries, missing: early.missing, nowMs: NOW + 1000 });
    assert.deepEqual(late.removed, [WEB]);
  });

  test('what comes back within the grace was never gone', () => {
    const files = { 'a.yaml': manifest(WEB, spec()) };
    const entries = known(files);
    const back = merged(files, { entries, missing: new Map([['default/web', NOW - 5000]]) });
    assert.deepEqual([back.removed, back.missing, changes(back)], [[], new Map(), []]);
  });

  test('a file that cannot be read holds what it declared last, without end, and says why', () => {
    const entries = known({ 'a.yaml': manifest(WEB, spec()) });
    const held = merged({ 'a.yaml': BROKEN }, { entries, missing: new Map([['default/web', 0]]) });
    assert.deepEqual(held.removed, []);
    assert.deepEqual(changes(held), [
      'default/web a.yaml g1 r1 a.yaml:1 the last good text stays in force: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ]);
  });

  test('a file that cannot be read holds whatever it mentions, under a new file name too', () => {
    const entries = known({ 'a.yaml': manifest(WEB, spec()), 'b.yaml': manifest(OTHER, spec()) });
    const held = merged(
      { 'c.yaml': `${manifest(WEB, spec())}  - [` },
      {
        entries,
        missing: new Map([
          ['default/web', 0],
          ['default/other', 0],
        ]),
      },
    );
    assert.deepEqual(held.removed, [OTHER]);
  });

  test('a resource on its way out takes annotations only', () => {
    const entries = new Map(
      [...known({ 'a.yaml': manifest(WEB, spec(1)) })].map(([name, entry]) => [
        name,
        { ...entry, held: { ...entry.held, resource: { ...entry.held.resource, deletingSinceMs: NOW } } },
      ]),
    );
    const after = merged({ 'a.yaml': manifest(WEB, spec(5), { annotations: { a: 'b' } }) }, { entries });
    assert.deepEqual(changes(after), ['default/web a.yaml g1 r1']);
    assert.deepEqual(after.changed.get('default/web')?.held.resource.annotations, { a: 'b' });
  });

  test('nothing is concluded about a sealed key', () => {
    assert.deepEqual(changes(merged({ 'a.yaml': manifest(WEB, spec()) }, { sealed: new Set(['default/web']) })), []);
  });
});
