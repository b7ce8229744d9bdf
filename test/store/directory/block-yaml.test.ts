import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { blockYaml, type Plain } from '../../../src/store/directory/block-yaml.ts';

test('fields stand one a line, lists below their field, and only what must be is quoted', () => {
  const value = {
    phase: 'Queued',
    ready: 0,
    logTail: 'first\n  second\n\nlast',
    url: 'http://node001:20000/v1',
    message: 'job 12 waits: Resources',
    'vllm-slurm.dev/note': 'by hand',
    absent: undefined,
    time: '2026-11-24T06:07:08.123Z',
    jobs: [
      { jobId: '12', nodes: ['node001', 'node002'], reason: null },
      { jobId: '13', nodes: [] },
    ],
    nested: { empty: {}, deeper: { yes: 'no', '12': true } },
  };
  assert.equal(
    blockYaml(value),
    `phase: Queued
ready: 0
logTail: |-
  first
    second

  last
url: http://node001:20000/v1
message: "job 12 waits: Resources"
vllm-slurm.dev/note: by hand
time: 2026-11-24T06:07:08.123Z
jobs:
  - jobId: "12"
    nodes:
      - node001
      - node002
    reason: null
  - jobId: "13"
    nodes: []
nested:
  empty: {}
  deeper:
    "12": true
    "yes": "no"
`,
  );
});

const AWKWARD = [
  ...[
    '',
    ' ',
    'null',
    'NO',
    '~',
    '-',
    '- a',
    'a: b',
    'a #b',
    '#',
    '1e3',
    '0x1f',
    '.inf',
    '12:30',
    '...',
    '---',
    '%',
    '@a',
  ],
  ...[
    '`a',
    '[a]',
    '{a}',
    '&a',
    '*a',
    '!a',
    'a\nb',
    '\ttab',
    'é',
    '💡',
    '\u0085',
    '\u2028',
    '\ufeff',
    '\u007f',
    'a  b',
    'a ',
  ],
];

test('whatever is written is read back as it was', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom(...AWKWARD));
  const leaf = fc.oneof(
    text,
    fc.integer(),
    fc.double({ noNaN: true }).filter(isSayable),
    fc.boolean(),
    fc.constant(null),
  );
  const field = text.filter((name) => name !== '__proto__');
  const { mapping } = fc.letrec<{ value: Plain; mapping: { readonly [field: string]: Plain } }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      leaf,
      fc.array(tie('value'), { maxLength: 4 }),
      tie('mapping'),
    ),
    mapping: fc.dictionary(field, tie('value'), { noNullPrototype: true, maxKeys: 4 }),
  }));
  fc.assert(fc.property(mapping, (written) => assert.deepEqual(parse(blockYaml(written)) ?? {}, written)));
});

/** As JSON, which knows no infinity and no zero below zero. */
function isSayable(value: number): boolean {
  return Number.isFinite(value) && !Object.is(value, -0);
}
