import type { Catalog } from '../../../src/api/catalog.ts';
import { API_VERSION, KIND } from '../../../src/api/resource.ts';
import { readSpec } from '../../../src/launch/read-spec.ts';
import { boundaries, OPERATORS_OWN, SPECS } from './specs.ts';

export type HostileManifest = {
  readonly what: string;
  readonly manifest: Readonly<Record<string, unknown>>;
  /** As whoever answers must name it; one of them. */
  readonly fields: readonly string[];
};

/**
 * Every spec of the tables that is no good, and whole manifests that are worse: the same ones each time. Each has a name
 * of its own, for some are let in.
 * @param presets which names are presets is for the operator to say; of these no spec is wrong for its preset alone
 */
export function hostileManifests(presets: Catalog): readonly HostileManifest[] {
  const specs = [...boundaries(), ...SPECS, ...OPERATORS_OWN].flatMap(({ what, spec }) => {
    const read = readSpec(spec, presets);
    return read.ok ? [] : [{ what, spec, fields: read.error.map(({ field }) => field) }];
  });
  return [
    ...specs.map(({ what, spec, fields }, at) => ({ what, fields, manifest: manifest(`spec-${at}`, { spec }) })),
    ...WHOLE.map(({ what, change, field }, at) => ({
      what,
      fields: [field],
      manifest: manifest(`whole-${at}`, change),
    })),
  ];
}

function manifest(name: string, { metadata = {}, ...change }: Change): Readonly<Record<string, unknown>> {
  const good = { apiVersion: API_VERSION, kind: KIND, spec: { model: { uri: 'hf://org/model' } } };
  return { ...good, metadata: { namespace: 'default', name, ...metadata }, ...change };
}

type Change = { readonly metadata?: object; readonly [part: string]: unknown };

/** What is wrong with more than the spec; a part that is undefined is left out. */
const WHOLE: readonly { readonly what: string; readonly change: Change; readonly field: string }[] = [
  { what: 'no spec', change: { spec: undefined }, field: 'spec' },
  { what: 'a spec that is null', change: { spec: null }, field: 'spec' },
  { what: 'a spec that is a list', change: { spec: [] }, field: 'spec' },
  { what: 'a spec that is text', change: { spec: 'hf://org/model' }, field: 'spec' },
  { what: 'a part beside the spec', change: { sepc: {} }, field: 'sepc' },
  { what: 'a version that is not served', change: { apiVersion: 'vllm-slurm.dev/v1' }, field: 'version "v1"' },
  { what: 'another group', change: { apiVersion: 'apps/v1' }, field: 'apps/v1' },
  { what: 'another kind', change: { kind: 'VLLMDeploymnet' }, field: 'VLLMDeploymnet' },
  { what: 'no name', change: { metadata: { name: '' } }, field: 'name' },
  { what: 'a name with a dot', change: { metadata: { name: 'a.b' } }, field: 'metadata.name' },
  { what: 'a name in capitals', change: { metadata: { name: 'Chat' } }, field: 'metadata.name' },
  { what: 'a name that leads elsewhere', change: { metadata: { name: '../kube-system' } }, field: 'metadata.name' },
  { what: 'a name with a line break', change: { metadata: { name: 'a\n#SBATCH --uid=0' } }, field: 'metadata.name' },
  {
    what: 'a name that is longer than a label',
    change: { metadata: { name: 'a'.repeat(64) } },
    field: 'metadata.name',
  },
  { what: 'a name that is a number', change: { metadata: { name: 7 } }, field: 'name' },
  {
    what: 'another namespace than the address',
    change: { metadata: { namespace: 'kube-system' } },
    field: 'namespace',
  },
  { what: 'labels with a command', change: { metadata: { labels: { a: '$(id)' } } }, field: 'metadata.labels' },
  { what: 'a label that is a list', change: { metadata: { labels: { a: ['b'] } } }, field: 'labels' },
  {
    what: 'annotations beyond all measure',
    change: { metadata: { annotations: { a: 'x'.repeat(300_000) } } },
    field: 'metadata.annotations',
  },
  { what: 'a finalizer that is no name', change: { metadata: { finalizers: ['a b'] } }, field: 'metadata.finalizers' },
  {
    what: 'an owner without a kind',
    change: { metadata: { ownerReferences: [{ apiVersion: 'v1', name: 'a', uid: 'b' }] } },
    field: 'metadata.ownerReferences',
  },
  {
    what: 'an unknown field of the metadata',
    change: { metadata: { generateNmae: 'a' } },
    field: 'metadata.generateNmae',
  },
  {
    what: 'a token of the operator’s environment',
    change: { spec: tokenFrom({ env: 'PATH' }) },
    field: 'spec.model.tokenFrom',
  },
  {
    what: 'a token of the operator’s files',
    change: { spec: tokenFrom({ file: '/etc/shadow' }) },
    field: 'spec.model.tokenFrom',
  },
  {
    what: 'a token of a Secret that is not there',
    change: { spec: tokenFrom({ secretKeyRef: { name: 'none', key: 'k' } }) },
    field: 'spec.model.tokenFrom',
  },
  {
    what: 'a last good spec that is forged, beside one that is no good',
    change: {
      metadata: {
        annotations: { 'vllm-slurm.dev/last-good-spec': '{"generation":1,"spec":{"model":{"uri":"$(id)"}}}' },
      },
      spec: { model: { uri: 'hf://org/model' }, slurm: { extraArgs: ['--wrap=id'] } },
    },
    field: 'spec.slurm.extraArgs[0]',
  },
];

function tokenFrom(source: object): object {
  return { model: { uri: 'hf://org/model', tokenFrom: source } };
}
