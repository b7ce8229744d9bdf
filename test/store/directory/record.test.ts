import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Spec } from '../../../src/api/spec.ts';
import { formatRecord, parseRecord, type Recorded } from '../../../src/store/directory/record.ts';
import { admit, declare } from '../../../src/store/revise.ts';

const WEB = { namespace: 'default', name: 'web' };
const BORN = { uid: 'uid-1', atMs: 1_700_000_000_123 };
const RAW = { model: { uri: 'hf://org/model' }, engine: { env: { A: 'yes', B: '1', C: '# no', D: 'a: b\n\n' } } };

function recorded(over: Partial<Recorded['held']['resource']> = {}): Recorded {
  const held = admit(WEB, declare(RAW), BORN);
  return { source: 'web.yaml', storeId: 'store-1', held: { ...held, resource: { ...held.resource, ...over } } };
}

const FULL = recorded({
  generation: 7,
  specGeneration: 5,
  deletingSinceMs: 1_700_000_001_000,
  finalizers: ['vllm-slurm.dev/slurm-jobs'],
  annotations: { 'a/b': 'true', c: '' },
  status: {
    phase: 'Running',
    records: [
      { replica: 0, attempt: 4, settledAttempt: 3, failures: [{ time: '2026-01-02T03:04:05Z', spends: true }] },
    ],
  },
});

describe('a status file', () => {
  test('reads back as what was written', () => {
    assert.deepEqual(parseRecord('web.status.yaml', WEB, formatRecord(FULL)), { ok: true, value: FULL });
  });

  test('reads back a resource that never had a good spec', () => {
    const held = admit(WEB, declare({ model: {} }), BORN);
    const never = { source: 'web.yaml', storeId: 's', held: { ...held, resource: { ...held.resource, problems: [] } } };
    assert.deepEqual(parseRecord('web.status.yaml', WEB, formatRecord(never)), { ok: true, value: never });
  });

  test('reads back any text a status may hold', () => {
    const anyText = fc.string({ unit: 'binary', maxLength: 200 });
    fc.assert(
      fc.property(anyText, anyText, (reason, message) => {
        const one = recorded({
          status: {
            lastFailure: { reason: reason.slice(0, 20).toWellFormed(), message, replica: 0, attempt: 1, time: '' },
          },
        });
        assert.deepEqual(parseRecord('web.status.yaml', WEB, formatRecord(one)), { ok: true, value: one });
      }),
      { numRuns: 300 },
    );
  });

  test('cut off anywhere is refused', () => {
    const text = formatRecord(FULL);
    const accepted = Array.from({ length: text.length - 1 }, (_, length) => text.slice(0, length)).filter(
      (prefix) => parseRecord('web.status.yaml', WEB, prefix).ok,
    );
    assert.deepEqual(accepted, []);
  });

  test('survives an editor that writes the line ends of Windows', () => {
    assert.equal(parseRecord('web.status.yaml', WEB, formatRecord(FULL).replaceAll('\n', '\r\n')).ok, true);
  });

  test('keeps the text of a spec that this release finds wanting, but no spec', () => {
    const text = formatRecord(recorded()).replace('hf://org/model', 'ftp://old');
    const read = parseRecord('web.status.yaml', WEB, text);
    assert.ok(read.ok);
    assert.deepEqual(
      [read.value.held.resource.spec, read.value.held.goodText?.includes('ftp://old')],
      [undefined, true],
    );
  });
});

const REFUSED: Readonly<Record<string, readonly [(text: string) => string, string]>> = {
  'from a release with another format': [
    (text) => text.replace('format: 1', 'format: 2'),
    '4: cannot be understood: format: ',
  ],
  'without its uid': [(text) => text.replace(/^ +uid: .*\n/m, ''), '7: cannot be understood: metadata.uid: '],
  'with a counter that is no number': [
    (text) => text.replace('attempt: 4', 'attempt: four'),
    '36: cannot be understood: status.records.0.attempt: ',
  ],
  'that is no YAML': [(text) => text.replace('  uid: ', '\tuid: '), '10: cannot be read: '],
  'of another resource': [(text) => text.replace('name: web', 'name: other'), '0: belongs to default/other'],
};

describe('a status file is refused with its line', () => {
  for (const [what, [spoil, expected]] of Object.entries(REFUSED)) {
    test(what, () => {
      const read = parseRecord('web.status.yaml', WEB, spoil(formatRecord(FULL)));
      assert.ok(!read.ok);
      assert.equal(read.error.file, 'web.status.yaml');
      assert.equal(`${read.error.line ?? 0}: ${read.error.message}`.slice(0, expected.length), expected);
    });
  }
});

test('the file is made for people too', () => {
  assert.equal(
    formatRecord(recorded({ status: { phase: 'Queued' }, spec: Spec.parse(RAW) })).replace(
      /specDigest: .*/,
      'specDigest: …',
    ),
    `# Kept by vllm-slurm: what it remembers of web. The resource itself is in "web.yaml".
apiVersion: vllm-slurm.dev/v1alpha1
kind: VLLMDeploymentStatus
format: 1
store: store-1
source: web.yaml
metadata:
  namespace: default
  name: web
  uid: uid-1
  generation: 1
  creationTimestamp: 2023-11-14T22:13:20.123Z
  finalizers: []
  annotations: {}
specGeneration: 1
specDigest: …
spec:
  engine:
    env:
      A: "yes"
      B: "1"
      C: "# no"
      D: |+
        a: b

  model:
    uri: hf://org/model
status:
  phase: Queued
...
`,
  );
});
