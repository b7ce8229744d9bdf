import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COLUMNS } from '../../src/api/columns.ts';
import { customResourceDefinition } from '../../src/api/crd.ts';
import { fieldsOf, type JsonSchema, jsonSchema } from '../../src/api/fields.ts';
import type { Resource } from '../../src/api/resource.ts';
import { PRESET_PARTS, Spec } from '../../src/api/spec.ts';
import { Status } from '../../src/api/status.ts';

type Node = { readonly path: string; readonly schema: JsonSchema; readonly withinAllOf: boolean };

function nodes(schema: JsonSchema, path: string, withinAllOf = false): readonly Node[] {
  const extra = typeof schema.additionalProperties === 'object' ? nodes(schema.additionalProperties, `${path}{}`) : [];
  return [
    { path, schema, withinAllOf },
    ...Object.entries(schema.properties ?? {}).flatMap(([name, property]) => nodes(property, `${path}.${name}`)),
    ...(schema.items ? nodes(schema.items, `${path}[]`) : []),
    ...(schema.allOf ?? []).flatMap((part, at) => nodes(part, `${path}/allOf/${at}`, true)),
    ...extra,
  ];
}
const all = [...nodes(jsonSchema(Spec), 'spec'), ...nodes(jsonSchema(Status), 'status')];
const offenders = (wrong: (node: Node) => boolean) => all.filter(wrong).map(({ path }) => path);

test('the schema is structural: a type everywhere but within allOf, and there neither type nor default nor description', () => {
  assert.deepEqual(
    offenders(({ schema, withinAllOf }) => (schema.type === undefined) !== withinAllOf),
    [],
  );
  assert.deepEqual(
    offenders(({ schema, withinAllOf }) => withinAllOf && ('default' in schema || 'description' in schema)),
    [],
  );
});

test('nothing the API server refuses is left: additionalProperties false, propertyNames, unions, bounds beyond a double', () => {
  assert.deepEqual(
    offenders(
      ({ schema }) =>
        schema.additionalProperties === false ||
        ['propertyNames', 'anyOf', 'oneOf', 'const', '$ref', '$schema'].some((word) => word in schema) ||
        Math.abs(schema.maximum ?? 0) >= Number.MAX_SAFE_INTEGER,
    ),
    [],
  );
});

test('patterns keep to what RE2 knows: no look-around, no back-references', () => {
  assert.deepEqual(
    offenders(({ schema }) => /\(\?[=!<]|\\[1-9]/.test(schema.pattern ?? '')),
    [],
  );
});

test('a field with a default is not required', () => {
  assert.deepEqual(
    offenders(({ schema }) => (schema.required ?? []).some((name) => schema.properties?.[name]?.default !== undefined)),
    [],
  );
});

test('names, subresources and columns are those kubectl users expect', () => {
  const { spec } = customResourceDefinition() as {
    readonly spec: {
      readonly group: string;
      readonly scope: string;
      readonly names: object;
      readonly versions: readonly {
        readonly name: string;
        readonly subresources: object;
        readonly additionalPrinterColumns: readonly { readonly name: string; readonly priority?: number }[];
      }[];
    };
  };
  const [version] = spec.versions;
  assert.deepEqual(
    {
      group: spec.group,
      scope: spec.scope,
      names: spec.names,
      version: version?.name,
      subresources: version?.subresources,
    },
    {
      group: 'vllm-slurm.dev',
      scope: 'Namespaced',
      names: {
        kind: 'VLLMDeployment',
        listKind: 'VLLMDeploymentList',
        plural: 'vllmdeployments',
        singular: 'vllmdeployment',
        shortNames: ['vllmd'],
        categories: ['vllm'],
      },
      version: 'v1alpha1',
      subresources: {
        status: {},
        scale: {
          specReplicasPath: '.spec.replicas',
          statusReplicasPath: '.status.replicas',
          labelSelectorPath: '.status.selector',
        },
      },
    },
  );
  const columns = version?.additionalPrinterColumns ?? [];
  assert.deepEqual(
    columns.filter(({ priority }) => priority === undefined).map(({ name }) => name.toUpperCase()),
    ['MODEL', 'READY', 'DESIRED', 'PHASE', 'URL', 'REASON', 'AGE'],
  );
});

test('a column shows the same whether kubectl reads its path or we read the resource', () => {
  const resource: Resource = {
    key: { namespace: 'default', name: 'qwen' },
    uid: 'u1',
    generation: 1,
    version: '1',
    createdMs: Date.UTC(2026, 0, 1),
    finalizers: [],
    annotations: {},
    spec: Spec.parse({ model: { uri: 'hf://a/b' }, replicas: 2 }),
    specGeneration: 1,
    problems: [],
    status: {
      model: 'hf://a/b',
      readyReplicas: 1,
      phase: 'Degraded',
      url: 'http://n1:20000',
      restarts: 3,
      conditions: [
        { type: 'Stalled', status: 'False', reason: 'No', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
        { type: 'Ready', status: 'False', reason: 'Queued', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
      ],
      jobs: [
        { replica: 0, attempt: 1, jobId: '7', state: 'RUNNING', partition: 'gpu', nodes: ['n1'] },
        {
          replica: 1,
          attempt: 2,
          jobId: '9',
          state: 'PENDING',
          partition: 'gpu',
          expectedStartTime: '2026-01-02T00:00:00Z',
        },
      ],
    },
  };
  assert.deepEqual(Object.fromEntries(COLUMNS.map(({ name, read }) => [name, read(resource)])), {
    Model: 'hf://a/b',
    Ready: 1,
    Desired: 2,
    Phase: 'Degraded',
    URL: 'http://n1:20000',
    Reason: 'Queued',
    Jobs: '7,9',
    Nodes: 'n1',
    Cluster: undefined,
    Partition: 'gpu',
    'Expected-Start': '2026-01-02T00:00:00Z',
    Restarts: 3,
    Age: Date.UTC(2026, 0, 1),
  });
  const known = new Set([
    ...fieldsOf(Spec).map(({ path }) => `.spec.${path}`),
    ...fieldsOf(Status).map(({ path }) => `.status.${path}`),
  ]);
  const paths = COLUMNS.map(({ jsonPath }) => jsonPath.replace(/\[[^\]]*\]$/, '').replace(/\[[^\]]*\]/g, '[]'));
  assert.deepEqual(
    paths.filter((path) => !known.has(path)),
    ['.metadata.creationTimestamp'],
  );
});

test('where a preset may say something the API server writes nothing, and a model need not be named', () => {
  const { spec } = customResourceDefinition() as {
    readonly spec: { readonly versions: readonly [{ readonly schema: { readonly openAPIV3Schema: JsonSchema } }] };
  };
  const whole = spec.versions[0].schema.openAPIV3Schema.properties?.spec ?? {};
  const parts: readonly string[] = PRESET_PARTS;
  const filled = Object.entries(whole.properties ?? {}).flatMap(([name, property]) =>
    nodes(property, name).flatMap(({ path, schema }) => ('default' in schema ? [path] : [])),
  );
  assert.deepEqual(
    filled.filter((path) => parts.includes(path.split('.')[0] ?? '')),
    [],
  );
  assert.ok(filled.includes('replicas') && filled.includes('restartPolicy.maxRestarts'));
  assert.deepEqual([whole.required, whole.properties?.model?.required], [undefined, undefined]);
});
