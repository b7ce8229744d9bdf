import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { exclude, excludedNames, placementOf } from '../../src/decide/exclusions.ts';
import { at, NOW, specOf } from '../gen/observation.ts';

const RULE = { ttlSeconds: 3_600, max: 2 };
const blamed = (name: string, untilSeconds = 100) => ({ name, reason: 'NodeFailed', until: at(untilSeconds) });
const ANYWHERE = { usable: ['a', 'b', 'c', 'd'], required: [] };

describe('nodes blamed for a failure', () => {
  const rows: readonly (readonly [
    title: string,
    before: readonly ReturnType<typeof blamed>[],
    names: readonly string[],
    rule: typeof RULE,
    after: readonly ReturnType<typeof blamed>[],
  ])[] = [
    ['are excluded for a while', [], ['a'], RULE, [blamed('a', 3_600)]],
    ['stand before those of earlier blame', [blamed('a')], ['b'], RULE, [blamed('b', 3_600), blamed('a')]],
    [
      'push out the oldest blame beyond the cap',
      [blamed('b'), blamed('a')],
      ['c'],
      RULE,
      [blamed('c', 3_600), blamed('b')],
    ],
    [
      'are excluded anew when they fail again',
      [blamed('b'), blamed('a')],
      ['a'],
      RULE,
      [blamed('a', 3_600), blamed('b')],
    ],
    ['are forgiven when their time has come', [blamed('a', 0), blamed('b', 1)], [], RULE, [blamed('b', 1)]],
    ['are not excluded where the spec says so', [], ['a'], { ttlSeconds: 0, max: 2 }, []],
    ['are not excluded where none may be', [], ['a'], { ttlSeconds: 60, max: 0 }, []],
    ['are named once', [], ['a', 'a'], RULE, [blamed('a', 3_600)]],
  ];
  for (const [title, before, names, rule, after] of rows) {
    it(title, () => assert.deepEqual(exclude(before, names, 'NodeFailed', NOW, rule), after));
  }
});

describe('the nodes an attempt is kept off', () => {
  const rows: readonly (readonly [
    title: string,
    nodes: readonly ReturnType<typeof blamed>[],
    placement: Parameters<typeof excludedNames>[3],
    names: readonly string[],
  ])[] = [
    ['are sorted', [blamed('b'), blamed('a')], ANYWHERE, ['a', 'b']],
    ['are not those whose time has come', [blamed('b', 0), blamed('a')], ANYWHERE, ['a']],
    ['are as many as the cap', [blamed('c'), blamed('b'), blamed('a')], ANYWHERE, ['b', 'c']],
    ['leave the last usable node', [blamed('b'), blamed('a')], { usable: ['a', 'b'], required: [] }, ['b']],
    ['count only usable nodes as left', [blamed('b'), blamed('a')], { usable: ['a'], required: [] }, ['b']],
    [
      'are one at most where the cluster is not known',
      [blamed('b'), blamed('a')],
      { usable: undefined, required: [] },
      ['b'],
    ],
    ['are none the spec demands', [blamed('b'), blamed('a')], { usable: ANYWHERE.usable, required: ['b'] }, ['a']],
  ];
  for (const [title, nodes, placement, names] of rows) {
    it(title, () => assert.deepEqual(excludedNames(nodes, NOW, 2, placement), names));
  }

  it('are weighed against what the spec itself excludes and demands', () => {
    const spec = specOf({ slurm: { exclude: ['node[003-004]'], nodelist: ['node001'] } });
    assert.deepEqual(placementOf(spec, ['node001', 'node002', 'node003', 'node004']), {
      usable: ['node001', 'node002'],
      required: ['node001'],
    });
    assert.deepEqual(placementOf(specOf(), undefined), { usable: undefined, required: [] });
  });

  it('never are all that is usable, nor more than the cap, nor any forgiven', () => {
    const names = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const excluded = fc.uniqueArray(
      fc.tuple(names, fc.integer({ min: -100, max: 100 })).map(([name, until]) => blamed(name, until)),
      { selector: (node) => node.name },
    );
    fc.assert(
      fc.property(excluded, fc.uniqueArray(names, { minLength: 1 }), fc.nat(5), (nodes, usable, max) => {
        const off = excludedNames(nodes, NOW, max, { usable, required: [] });
        assert.ok(usable.some((name) => !off.includes(name)));
        assert.ok(off.length <= max);
        assert.ok(off.every((name) => nodes.some((node) => node.name === name && Date.parse(node.until) > NOW)));
      }),
    );
  });
});
