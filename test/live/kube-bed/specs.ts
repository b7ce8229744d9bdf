import { type JsonSchema, jsonSchema } from '../../../src/api/fields.ts';
import { Spec } from '../../../src/api/spec.ts';

export type SpecCase = {
  readonly what: string;
  readonly spec: unknown;
  /** In the words of who refuses it; undefined: nobody does. */
  readonly says?: RegExp;
};

const model = { uri: 'hf://org/model' };

/** Fields against each other, as CEL and the operator both see them. */
export const SPECS: readonly SpecCase[] = [
  { what: 'the least', spec: { model } },
  { what: 'no model', spec: {}, says: /model\.uri is required, unless preset names a model/ },
  {
    what: 'a uri missing',
    spec: { model: { name: 'm' } },
    says: /model\.uri is required, unless preset names a model/,
  },
  { what: 'an unknown field', spec: { model, replica: 2 }, says: /unknown field "spec\.replica"/ },
  { what: 'text for a number', spec: { model, replicas: 'two' }, says: /replicas.*must be of type integer/ },
  {
    what: 'more ranks than GPUs',
    spec: { model, parallelism: { tensor: 8 }, resources: { gpusPerNode: 4 } },
    says: /must not exceed nodes × gpusPerNode/,
  },
  { what: 'as many ranks as GPUs', spec: { model, parallelism: { tensor: 4 }, resources: { gpusPerNode: 4 } } },
  {
    what: 'stages that do not divide the GPUs',
    spec: { model, parallelism: { pipeline: 3 }, resources: { gpusPerNode: 4 } },
    says: /must divide nodes × gpusPerNode/,
  },
  {
    what: 'data-parallel copies that do not divide the GPUs',
    spec: { model, parallelism: { data: 3 }, resources: { gpusPerNode: 4 } },
    says: /must divide nodes × gpusPerNode/,
  },
  {
    what: 'two nodes with the default split',
    spec: { model, resources: { nodes: 2, gpusPerNode: 4 } },
  },
  {
    what: 'ray with data parallelism',
    spec: { model, launcher: { type: 'ray' }, parallelism: { data: 2 }, resources: { gpusPerNode: 2 } },
    says: /ray goes neither/,
  },
  {
    what: 'ray with the stand-in',
    spec: { model, launcher: { type: 'ray' }, engine: { type: 'stand-in' } },
    says: /ray goes neither/,
  },
  {
    what: 'places in order',
    spec: { model, slurm: { places: [{ cluster: 'a', partitions: ['x'] }, { cluster: 'a' }, { cluster: 'b' }] } },
  },
  {
    what: 'places beside partitions',
    spec: { model, slurm: { partitions: ['x'], places: [{ cluster: 'a' }] } },
    says: /places stand in place of cluster and partitions/,
  },
  {
    what: 'places of which one names no cluster',
    spec: { model, slurm: { places: [{ cluster: 'a' }, { partitions: ['x'] }] } },
    says: /either all places name a cluster or none does/,
  },
  {
    what: 'a place twice',
    spec: { model, slurm: { places: [{ cluster: 'a' }, { cluster: 'a', waitSeconds: 60 }] } },
    says: /places must differ by cluster or partitions/,
  },
  {
    what: 'memory said twice',
    spec: { model, resources: { memory: '64G', memoryPerGpu: '32G' } },
    says: /memoryPerGpu goes without memory/,
  },
  {
    what: 'memory a GPU without GPUs',
    spec: { model, resources: { gpusPerNode: 0, memoryPerGpu: '32G' } },
    says: /needs gpusPerNode/,
  },
  { what: 'a venv that is not named', spec: { model, runtime: { type: 'venv' } }, says: /runtime\.venv is required/ },
  { what: 'a venv of no use', spec: { model, runtime: { venv: '/opt/venv' } }, says: /has no use otherwise/ },
  { what: 'a venv', spec: { model, runtime: { type: 'venv', venv: '/opt/venv' } } },
  {
    what: 'a venv for the stand-in',
    spec: { model, runtime: { type: 'venv', venv: '/opt/venv' }, engine: { type: 'stand-in' } },
    says: /brings its own program/,
  },
  {
    what: 'an image that is not named',
    spec: { model, runtime: { type: 'apptainer' } },
    says: /runtime\.image is required/,
  },
  { what: 'an image of no use', spec: { model, runtime: { image: '/i.sif' } }, says: /has no use otherwise/ },
  {
    what: 'mounts of no use',
    spec: { model, runtime: { type: 'venv', venv: '/opt/venv', mounts: ['/data'] } },
    says: /runtime\.mounts has no use/,
  },
  {
    what: 'an image with mounts',
    spec: { model, runtime: { type: 'apptainer', image: '/i.sif', mounts: ['/data', '/a b:/c'] } },
  },
  {
    what: 'an image of a registry',
    spec: { model, runtime: { type: 'apptainer', image: 'docker://vllm/vllm-openai:v0.11.0' } },
  },
  {
    what: 'an image for Pyxis',
    spec: { model, runtime: { type: 'pyxis', image: 'docker://nvcr.io/nvidia/vllm:1', mounts: ['/data'] } },
  },
  { what: 'no image for Pyxis', spec: { model, runtime: { type: 'pyxis' } }, says: /runtime\.image is required/ },
  {
    what: 'an image that Enroot cannot have',
    spec: { model, runtime: { type: 'pyxis', image: 'oras://host/vllm:1' } },
    says: /apptainer alone/,
  },
  ...['vllm.sif', 'docker:///x', 'http://x/y', 'docker://a b', 'docker-daemon://x'].map((image) => ({
    what: `the image ${image}`,
    spec: { model, runtime: { type: 'apptainer', image } },
    says: /runtime\.image.*should match/,
  })),
  ...['data', '/a:/b:ro', '/a,/b', '/a:b', '/a"b', '/a\\:/b', '/a\n'].map((mount) => ({
    what: `the mount ${mount}`,
    spec: { model, runtime: { type: 'apptainer', image: '/i.sif', mounts: [mount] } },
    says: /runtime\.mounts.*should match/,
  })),
  ...[
    { uri: 'file:///models/a,b', name: 'm' },
    { uri: 'file:///models/a:b', name: 'm' },
    { uri: 'file:///models/a\\b', name: 'm' },
    { ...model, cache: { path: '/cache/a"b' } },
  ].map((odd) => ({
    what: `what cannot be mounted: ${JSON.stringify(odd)}`,
    spec: { model: odd, runtime: { type: 'apptainer', image: '/i.sif' } },
    says: /to be mounted in a container/,
  })),
  {
    what: 'an image for the stand-in',
    spec: { model, runtime: { type: 'apptainer', image: '/i.sif' }, engine: { type: 'stand-in' } },
    says: /brings its own program/,
  },
  {
    what: 'a port and a range',
    spec: { model, endpoint: { port: 20000, portRange: '20000-20010' } },
    says: /port and portRange exclude each other/,
  },
  {
    what: 'a range that runs backwards',
    spec: { model, endpoint: { portRange: '30000-20000' } },
    says: /LOW-HIGH in order/,
  },
  {
    what: 'a rendezvous range beyond all ports',
    spec: { model, launcher: { rendezvous: { portRange: '60000-70000' } } },
    says: /LOW-HIGH in order/,
  },
  {
    what: 'a revision of a path',
    spec: { model: { uri: 'file:///models/m', revision: 'main' } },
    says: /revision belongs to a repository/,
  },
  { what: 'a repository like an option', spec: { model: { uri: 'hf://-x/model' } }, says: /must not begin its name/ },
  {
    what: 'an alias that repeats the name',
    spec: { model: { ...model, name: 'm', aliases: ['m'] } },
    says: /aliases must not repeat/,
  },
  { what: 'an alias twice', spec: { model: { ...model, aliases: ['m', 'm'] } }, says: /Duplicate value/ },
  {
    what: 'a token from two places',
    spec: { model: { ...model, tokenFrom: { env: 'A', file: '/b' } } },
    says: /exactly one of env, file and secretKeyRef/,
  },
  {
    what: 'a token from nowhere',
    spec: { model: { ...model, tokenFrom: {} } },
    says: /exactly one of env, file and secretKeyRef/,
  },
  {
    what: 'a key from a Secret',
    spec: { model, endpoint: { apiKeyFrom: { secretKeyRef: { name: 'keys', key: 'api' } } } },
  },
  ...['90', '10:30', '12:00:00', '1-0', '2-12:30', '1-02:03:04', 'unlimited', 'INFINITE'].map((time) => ({
    what: `the walltime ${time}`,
    spec: { model, slurm: { time } },
  })),
  ...['tomorrow', '1:2:3:4', '12h', '-5', '1-', 'unlimitedly'].map((time) => ({
    what: `the walltime ${time}`,
    spec: { model, slurm: { time } },
    says: /must be a SLURM time/,
  })),
  {
    what: 'an argument without an option',
    spec: { model, engine: { args: ['model'] } },
    says: /must be an option/,
  },
  {
    what: 'an option with a command in it',
    spec: { model, slurm: { extraArgs: ['--nice=$(id)'] } },
    says: /extraArgs.*should match/,
  },
  {
    what: 'a directive in a line break',
    spec: { model, slurm: { account: 'a\n#SBATCH --uid=0' } },
    says: /account.*should match/,
  },
];

/** What CEL cannot afford, or has no words for: the operator's own checks alone. */
export const OPERATORS_OWN: readonly SpecCase[] = [
  {
    what: 'ranks that the nodes cannot share evenly',
    spec: {
      model,
      parallelism: { tensor: 3, pipeline: 1 },
      resources: { nodes: 2, gpusPerNode: 4 },
    },
    says: /cannot share evenly/,
  },
  {
    what: 'an engine option that the operator owns',
    spec: { model, engine: { args: ['--port', '1'] } },
    says: /--port is refused/,
  },
  {
    what: 'a variable that is named for a secret',
    spec: { model, engine: { env: { MY_TOKEN: 'x' } } },
    says: /is refused/,
  },
  {
    what: 'a name that is no variable',
    spec: { model, engine: { env: { 'NO-NAME': 'x' } } },
    says: /environment variable name/,
  },
  {
    what: 'an sbatch option that the operator owns',
    spec: { model, slurm: { extraArgs: ['--wrap=true'] } },
    says: /--wrap is refused/,
  },
  {
    what: 'an alias that repeats the name the repository gives',
    spec: { model: { ...model, aliases: ['org/model'] } },
    says: /is served already/,
  },
];

/**
 * Each field of the schema in turn, the rest at its default: values just within its bounds and just beyond, of the wrong
 * type, and text that is hostile. What a field needs beside it comes along.
 */
export function boundaries(): readonly SpecCase[] {
  return leaves(jsonSchema(Spec), []).flatMap(({ path, schema }) =>
    valuesFor(schema).map((value) => ({
      what: `${path.join('.')} = ${shown(value)}`,
      spec: withValue(COMPANY[path.join('.')] ?? { model }, path, value),
    })),
  );
}

type Leaf = { readonly path: readonly string[]; readonly schema: JsonSchema };

/** Fields that mean nothing alone. */
const ROOM = { model, resources: { nodes: 64, gpusPerNode: 64 } };
const COMPANY: Readonly<Record<string, object>> = {
  'parallelism.tensor': ROOM,
  'parallelism.pipeline': { model, resources: { gpusPerNode: 0 } },
  'parallelism.data': { model, resources: { gpusPerNode: 0 } },
  'resources.memoryPerGpu': ROOM,
  'runtime.venv': { model, runtime: { type: 'venv' } },
  'runtime.image': { model, runtime: { type: 'apptainer' } },
  'runtime.mounts': { model, runtime: { type: 'apptainer', image: '/i.sif' } },
  'model.tokenFrom.secretKeyRef.name': { model: { ...model, tokenFrom: { secretKeyRef: { key: 'k' } } } },
  'model.tokenFrom.secretKeyRef.key': { model: { ...model, tokenFrom: { secretKeyRef: { name: 'n' } } } },
  'endpoint.apiKeyFrom.secretKeyRef.name': { model, endpoint: { apiKeyFrom: { secretKeyRef: { key: 'k' } } } },
  'endpoint.apiKeyFrom.secretKeyRef.key': { model, endpoint: { apiKeyFrom: { secretKeyRef: { name: 'n' } } } },
};

function leaves(schema: JsonSchema, path: readonly string[]): readonly Leaf[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
    property.properties ? leaves(property, [...path, name]) : [{ path: [...path, name], schema: property }],
  );
}

const HOSTILE = [
  '',
  ' ',
  'a b',
  'a\nb',
  '$(id)',
  '`id`',
  "a'b",
  'a"b',
  '--x',
  '../..',
  'é',
  '漢字',
  'a\u0000b',
  'x'.repeat(9000),
];

function valuesFor(schema: JsonSchema): readonly unknown[] {
  switch (schema.type) {
    case 'integer':
    case 'number': {
      const { minimum = 0, maximum = 2 ** 40 } = schema;
      return [minimum, maximum, minimum - 1, maximum + 1, 'three', true, 2.5];
    }
    case 'boolean':
      return [true, false, 'yes', 1];
    case 'array': {
      const [good = 'word'] = schema.items ? goodTexts(schema.items) : [];
      return [
        [],
        [good],
        Array.from({ length: (schema.maxItems ?? 64) + 1 }, (_, at) => `${good}${at}`),
        good,
        [1],
        ...HOSTILE.map((text) => [text]),
      ];
    }
    case 'object':
      return [{}, { NAME: 'value' }, { NAME: 1 }, 'text', ['list']];
    default:
      return [...goodTexts(schema), ...HOSTILE, 7, false, ['list']];
  }
}

/** Some of which the field takes, whatever its pattern. */
function goodTexts(schema: JsonSchema): readonly string[] {
  return (
    (schema.enum as readonly string[] | undefined) ?? [
      'word',
      '64G',
      '/abs/path',
      '20000-30000',
      '1-00:00:00',
      '--nice=5',
      'NAME',
    ]
  );
}

function withValue(base: object, [head = '', ...rest]: readonly string[], value: unknown): object {
  const members: Readonly<Record<string, unknown>> = { ...base };
  const below = members[head];
  return {
    ...members,
    [head]: rest.length === 0 ? value : withValue(typeof below === 'object' && below ? below : {}, rest, value),
  };
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}… (${text.length})` : text;
}
