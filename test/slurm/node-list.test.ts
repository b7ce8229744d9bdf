import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { expandNodeList } from '../../src/slurm/node-list.ts';

// The right sides are what `scontrol show hostnames` of Slurm 22.05 prints for the left ones.
const LISTS: readonly (readonly [string, readonly string[]])[] = [
  ['node001', ['node001']],
  ['node[001-004]', ['node001', 'node002', 'node003', 'node004']],
  ['node[002,004]', ['node002', 'node004']],
  ['n[8-11]', ['n8', 'n9', 'n10', 'n11']],
  ['n[08-11]', ['n08', 'n09', 'n10', 'n11']],
  ['gpu-a[1-2],login1', ['gpu-a1', 'gpu-a2', 'login1']],
  ['r[1-2]n[01-02]', ['r1n01', 'r1n02', 'r2n01', 'r2n02']],
  ['a[3,1-2,7],b', ['a3', 'a1', 'a2', 'a7', 'b']],
];

for (const [list, names] of LISTS) {
  test(`${list} is ${names.length} node(s), in Slurm's order`, () => assert.deepEqual(expandNodeList(list), names));
}

test('text behind a bracket belongs to every name, which newer versions print and 22.05 refuses', () => {
  assert.deepEqual(expandNodeList('gpu-a[1-2]-ib,login1'), ['gpu-a1-ib', 'gpu-a2-ib', 'login1']);
});

test('what Slurm prints for no nodes is no nodes', () => {
  assert.deepEqual(['', '(null)', 'None', 'None assigned'].map(expandNodeList), [[], [], [], []]);
});

test('text that is no node list is no node list', () => {
  const texts = [
    'n[',
    'n]',
    'n[]',
    'n[a-b]',
    'n[3-1]',
    'n[1-2',
    'a,,b',
    ',a',
    'a,',
    'a b',
    'n[[1]]',
    `${'a'.repeat(200)}!`,
  ];
  assert.deepEqual(
    texts.map(expandNodeList),
    texts.map(() => undefined),
  );
});

test('a list that claims more nodes than any cluster has is not believed', () => {
  assert.equal(expandNodeList('n[1-65536]')?.length, 65_536);
  const texts = ['n[1-65537]', 'n[1-999999999999]', 'n[1-300]x[1-300]', 'n[1-40000],m[1-40000]'];
  assert.deepEqual(
    texts.map(expandNodeList),
    texts.map(() => undefined),
  );
});

test('any list of ranges expands to exactly the names it was made of', () => {
  const range = fc.tuple(fc.nat(5000), fc.nat(20), fc.nat(4)).map(([from, more, zeros]) => {
    const width = String(from).length + zeros;
    const number = (n: number): string => String(n).padStart(width, '0');
    return {
      text: more === 0 ? number(from) : `${number(from)}-${number(from + more)}`,
      numbers: Array.from({ length: more + 1 }, (_, i) => number(from + i)),
    };
  });
  const bracket = fc.array(range, { minLength: 1, maxLength: 4 }).map((ranges) => ({
    text: `[${ranges.map(({ text }) => text).join(',')}]`,
    ends: ranges.flatMap(({ numbers }) => numbers),
  }));
  const stem = fc.stringMatching(/^[a-z][a-z0-9.-]{0,6}[a-z]$/);
  const part = fc.oneof(
    stem.map((name) => ({ text: name, names: [name] })),
    fc.tuple(stem, bracket, fc.option(stem, { nil: '' })).map(([before, { text, ends }, after]) => ({
      text: before + text + after,
      names: ends.map((end) => before + end + after),
    })),
  );
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
      assert.deepEqual(
        expandNodeList(parts.map(({ text }) => text).join(',')),
        parts.flatMap(({ names }) => names),
      );
    }),
  );
});
