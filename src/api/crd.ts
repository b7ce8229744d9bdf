import { COLUMNS } from './columns.ts';
import { type JsonSchema, jsonSchema } from './fields.ts';
import { GROUP, KIND, VERSION } from './resource.ts';
import { DNS_LABEL, PRESET_PARTS, Spec } from './spec.ts';
import { Status } from './status.ts';

export const PLURAL = 'vllmdeployments';
export const SINGULAR = 'vllmdeployment';

const SELECTABLE = ['.spec.model.uri', '.spec.slurm.account', '.spec.suspend', '.status.phase'];

/** The CustomResourceDefinition, `apiextensions.k8s.io/v1`, made from the one definition of spec and status. */
export function customResourceDefinition(): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${PLURAL}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind: KIND,
        listKind: `${KIND}List`,
        plural: PLURAL,
        singular: SINGULAR,
        shortNames: ['vllmd'],
        categories: ['vllm'],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: {
            status: {},
            scale: {
              specReplicasPath: '.spec.replicas',
              statusReplicasPath: '.status.replicas',
              labelSelectorPath: '.status.selector',
            },
          },
          additionalPrinterColumns: printerColumns(),
          // `kubectl get vllmd --field-selector status.phase=Stalled`
          selectableFields: SELECTABLE.map((jsonPath) => ({ jsonPath })),
          schema: { openAPIV3Schema: wholeResource() },
        },
      ],
    },
  };
}

function printerColumns(): readonly object[] {
  return COLUMNS.map(({ name, type, priority, description, jsonPath }) => ({
    name,
    type,
    ...(priority > 0 && { priority }),
    description,
    jsonPath,
  }));
}

function wholeResource(): object {
  return {
    type: 'object',
    description: 'One vLLM model kept serving by SLURM jobs.',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: { ...openToPresets(jsonSchema(Spec)), description: 'What is wanted.' },
      status: { ...jsonSchema(Status), description: 'What is; written by the operator alone.' },
    },
    // The job's name carries the resource's: without dots it reads back one way only.
    'x-kubernetes-validations': [
      {
        rule: `self.metadata.name.matches('${DNS_LABEL.source}')`,
        message: 'metadata.name must be a DNS label: at most 63 lower-case letters, digits and -, no dots',
      },
    ],
  };
}

/** Without what would be in a preset's way: defaults the API server would write out, and a model that must be named. */
function openToPresets(spec: JsonSchema): JsonSchema {
  const parts: readonly string[] = PRESET_PARTS;
  const properties = Object.entries(spec.properties ?? {}).map(([name, property]) => [
    name,
    parts.includes(name) ? withoutDefaults(name === 'model' ? withoutRequired(property, 'uri') : property) : property,
  ]);
  return withoutRequired({ ...spec, properties: Object.fromEntries(properties) }, 'model');
}

function withoutDefaults({ default: _, ...schema }: JsonSchema): JsonSchema {
  if (!schema.properties) return schema;
  const properties = Object.entries(schema.properties).map(([name, property]) => [name, withoutDefaults(property)]);
  return { ...schema, properties: Object.fromEntries(properties) };
}

/** `required: []` would be refused. */
function withoutRequired({ required = [], ...schema }: JsonSchema, name: string): JsonSchema {
  const left = required.filter((one) => one !== name);
  return left.length > 0 ? { ...schema, required: left } : schema;
}
