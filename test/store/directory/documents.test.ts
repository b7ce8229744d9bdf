import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readDocuments } from '../../../src/store/directory/documents.ts';

const HEAD = 'apiVersion: vllm-slurm.dev/v1alpha1\nkind: VLLMDeployment\n';
const SPEC = 'spec:\n  model:\n    uri: hf://org/model\n';
const named = (name: string) => `${HEAD}metadata:\n  name: ${name}\n${SPEC}`;

/** What a reading comes down to: a line each. */
function told(text: string | Uint8Array): readonly string[] {
  const reading = readDocuments('a.yaml', typeof text === 'string' ? Buffer.from(text) : text);
  return [
    ...reading.claims.map(({ key, line }) => `${key.namespace}/${key.name} at ${line}`),
    ...reading.claims.flatMap(({ declared }) =>
      declared.spec.ok
        ? []
        : declared.spec.error.map((problem) => `${problem.file}:${problem.line} ${problem.field}: ${problem.message}`),
    ),
    ...reading.problems.map((problem) => `${problem.file}:${problem.line}: ${problem.message}`),
    ...(reading.doubt ? [`doubt: ${reading.doubt.message}`] : []),
  ];
}

const GOOD: Readonly<Record<string, readonly [string, readonly string[]]>> = {
  'one document': [named('web'), ['default/web at 2']],
  'several documents': [`${named('web')}---\n${named('api')}`, ['default/web at 2', 'default/api at 10']],
  'a namespace': [named('web\n  namespace: team-a'), ['team-a/web at 2']],
  'a byte order mark': [`\uFEFF${named('web')}`, ['default/web at 2']],
  'line ends of Windows': [named('web').replaceAll('\n', '\r\n'), ['default/web at 2']],
  'empty documents between': [`---\n---\n${named('web')}---\n# nothing\n`, ['default/web at 4']],
  JSON: [
    JSON.stringify({
      apiVersion: 'vllm-slurm.dev/v1alpha1',
      kind: 'VLLMDeployment',
      metadata: { name: 'web' },
      spec: { model: { uri: 'hf://org/model' } },
    }),
    ['default/web at 1'],
  ],
  'anchors and merge keys': [
    `${HEAD}metadata: {name: web}\nspec:\n  model: {uri: hf://o/m}\n  engine: {env: {<<: &more {A: "1"}, B: "2"}}\n`,
    ['default/web at 2'],
  ],
  'metadata of kubectl and a status': [
    `${named('web\n  labels: {a: b}\n  resourceVersion: "7"\n  managedFields: []')}status:\n  phase: Nonsense\n`,
    ['default/web at 2'],
  ],
  'other kinds': [
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n---\napiVersion: v1\nkind: List\nitems: []\n',
    [],
  ],
  'comments only': ['# gone\n', []],
};

describe('a file is read', () => {
  for (const [what, [text, expected]] of Object.entries(GOOD)) {
    test(`with ${what}`, () => assert.deepEqual(told(text), expected));
  }

  test('with the annotations of its resources', () => {
    const [claim] = readDocuments('a.yaml', Buffer.from(named('web\n  annotations: {a/b: "true"}'))).claims;
    assert.deepEqual(claim?.declared.annotations, { 'a/b': 'true' });
  });

  test('to the same spec whatever its comments, order and layout', () => {
    const digest = (text: string) =>
      readDocuments('a.yaml', Buffer.from(text)).claims.map((claim) => claim.declared.digest);
    const plain = `${HEAD}metadata: {name: web}\nspec:\n  model: {uri: hf://o/m}\n  replicas: 2\n`;
    const other = `# why\n${HEAD}metadata: {name: web}\nspec: {replicas: 2, # two\n  model: {uri: "hf://o/m"}}\n`;
    assert.deepEqual(digest(plain), digest(other));
  });
});

const both = (problem: string) => [`a.yaml:${problem}`, `doubt: ${problem.replace(/^\d+: /, '')}`];

const BAD: Readonly<Record<string, readonly [string | Uint8Array, readonly string[]]>> = {
  'cut off inside a quoted string': [`${HEAD}metadata:\n  name: "we`, both('4: Missing closing "quote')],
  'indented with a tab': [`${HEAD}metadata:\n\tname: web\n`, both('4: Tabs are not allowed as indentation')],
  empty: ['', ['doubt: the file is empty: to delete what it declared, remove it']],
  blank: [' \n\r\n', ['doubt: the file is empty: to delete what it declared, remove it']],
  'not UTF-8': [Buffer.from([0x61, 0x0a, 0xff, 0xfe, 0x0a]), both('2: the text is not UTF-8')],
  'UTF-16': [Buffer.from(`\uFEFF${named('web')}`, 'utf16le'), both('1: the text is not UTF-8')],
  'with a NUL byte': [`${named('web')}# \0\n`, both('8: the text holds a NUL byte')],
  'without a name': [`${HEAD}metadata: {}\n${SPEC}`, both('3: metadata.name is missing')],
  'without metadata': [`${HEAD}${SPEC}`, both('1: metadata.name is missing')],
  'with a name that is no DNS label': [
    named('My_Web'),
    both('4: metadata.name must be lower-case letters, digits and -, at most 63, not "My_Web"'),
  ],
  'with a dot in its name': [
    named('web.v2'),
    both('4: metadata.name must be lower-case letters, digits and -, at most 63, not "web.v2"'),
  ],
  'with a number for a name': [
    named('123'),
    both('4: metadata.name must be lower-case letters, digits and -, at most 63, not 123: put it in quotes'),
  ],
  'with a bad namespace': [
    named('web\n  namespace: a_b'),
    both('5: metadata.namespace must be lower-case letters, digits and -, at most 63, not "a_b"'),
  ],
  'of another version': [
    named('web').replace('v1alpha1', 'v2'),
    both('1: apiVersion must be vllm-slurm.dev/v1alpha1, not "vllm-slurm.dev/v2"'),
  ],
  'of a mistyped kind': [
    named('web').replace('VLLMDeployment', 'VLMDeployment'),
    both('2: kind must be VLLMDeployment, not "VLMDeployment"'),
  ],
  'without apiVersion': [
    named('web').replace(/^.*\n/, ''),
    both('1: apiVersion must be vllm-slurm.dev/v1alpha1, not nothing'),
  ],
  'a List of ours': [
    'apiVersion: v1\nkind: List\nitems:\n- kind: VLLMDeployment\n',
    both('2: a List is not read: write each VLLMDeployment as a document of its own, between lines of ---'),
  ],
  'with a key twice': [`${named('web')}  replicas: 1\n  replicas: 2\n`, both('9: "replicas" is written twice')],
  'an alias bomb': [bomb(), both('1: its aliases multiply beyond all measure')],
  'within itself': [
    `${HEAD}metadata: {name: web}\nspec: &it\n  model: *it\n`,
    both('4: it is nested too deeply, or within itself'),
  ],
  'no mapping': ['just a word\n', ['doubt: holds a document that is no resource']],
  'a values file': ['replicas: 2\n', ['doubt: holds a document without apiVersion and kind']],
};

describe('a file holds no resource and says where it is wrong', () => {
  for (const [what, [text, expected]] of Object.entries(BAD)) {
    test(`when it is ${what}`, () => assert.deepEqual(told(text), expected));
  }

  test('when it is nested ever so deeply', () => {
    for (const text of [
      '['.repeat(50_000),
      `${HEAD}metadata: {name: web}\nspec: ${'['.repeat(3000)}${']'.repeat(3000)}\n`,
    ]) {
      const { claims, problems, doubt } = readDocuments('a.yaml', Buffer.from(text));
      assert.deepEqual(
        [claims.filter(({ declared }) => declared.spec.ok).length, problems.length, doubt === problems[0]],
        [0, 1, true],
      );
    }
  });

  test('one document cut off leaves the whole file in doubt, and names what it mentions', () => {
    const { claims, mentions } = readDocuments('a.yaml', Buffer.from(`${named('web')}---\n${named('api')}  engine: [`));
    assert.deepEqual([claims, [...mentions]], [[], ['web', 'api']]);
  });

  test('one document without a name leaves the others', () => {
    assert.deepEqual(told(`${HEAD}${SPEC}---\n${named('web')}`), [
      'default/web at 8',
      ...both('1: metadata.name is missing'),
    ]);
  });
});

describe('a wrong spec is told with file, line and field', () => {
  const fields = (text: string) =>
    readDocuments('a.yaml', Buffer.from(text)).claims.flatMap(({ declared }) =>
      declared.spec.ok ? [] : declared.spec.error.map(({ file, line, field }) => `${file}:${line} ${field}`),
    );

  test('an unknown field, deep in the text', () => {
    assert.deepEqual(fields(`${named('web')}  engine:\n    # so long\n    maxModelLength: 8\n`), [
      'a.yaml:10 spec.engine.maxModelLength',
    ]);
  });
  test('a wrong type in a list', () => {
    assert.deepEqual(fields(`${named('web')}  engine:\n    args:\n      - --good\n      - 7\n`), [
      'a.yaml:11 spec.engine.args[1]',
    ]);
  });
  test('a missing field, at the field around it', () => {
    assert.deepEqual(fields(`${HEAD}metadata:\n  name: web\nspec:\n  replicas: 1\n  model: {}\n`), [
      'a.yaml:7 spec.model.uri',
    ]);
  });
  test('no spec at all', () => {
    assert.deepEqual(fields(`${HEAD}metadata:\n  name: web\n`), ['a.yaml:1 spec']);
  });
  test('a field beside spec, and an annotation that is no string', () => {
    assert.deepEqual(told(`${named('web\n  annotations: {a: true}')}specs: 1\n`), [
      'default/web at 2',
      'a.yaml:9 specs: unknown field; known here: apiVersion, kind, metadata, spec, status',
      'a.yaml:5 metadata.annotations.a: must be a string: put it in quotes',
    ]);
  });
});

/** Nine levels of nine: 387 million nodes, in a few hundred bytes. */
function bomb(): string {
  const levels = Array.from({ length: 9 }, (_, level) => {
    const content = level === 0 ? 'x' : `*l${level - 1}`;
    return `  l${level}: &l${level} [${Array(9).fill(content).join(', ')}]\n`;
  });
  return `${HEAD}metadata: {name: web}\nspec:\n${levels.join('')}`;
}
