import { z } from 'zod';

/** The part of JSON Schema that the API server calls structural; extensions (`x-kubernetes-…`) pass through. */
export type JsonSchema = {
  type?: string;
  description?: string;
  default?: unknown;
  examples?: readonly unknown[];
  properties?: Record<string, JsonSchema>;
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  required?: readonly string[];
  enum?: readonly unknown[];
  format?: string;
  pattern?: string;
  allOf?: JsonSchema[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  propertyNames?: unknown;
  $schema?: unknown;
};

/**
 * A zod schema as the API server takes it. Each deviation from zod's own output is one the API server insists on:
 * unknown fields are pruned by structure and not by `additionalProperties: false`; the safe-integer bounds of
 * JavaScript are no property of the field; `allOf` may hold neither types nor names of properties.
 * `io: 'input'`, or everything with a default would be required.
 */
export function jsonSchema(schema: z.ZodType): JsonSchema {
  const whole = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    override: ({ jsonSchema: at }) => structural(at as JsonSchema),
  }) as JsonSchema;
  delete whole.$schema;
  return whole;
}

function structural(at: JsonSchema): void {
  if (at.additionalProperties === false) delete at.additionalProperties;
  delete at.propertyNames;
  for (const part of at.allOf ?? []) delete part.type;
  if (at.type !== 'integer') return;
  if (at.maximum === Number.MAX_SAFE_INTEGER) delete at.maximum;
  if (at.minimum === Number.MIN_SAFE_INTEGER) delete at.minimum;
  at.format = 'int64';
}

/** One row of a reference page, or one key of a settings file. */
export type Field = {
  /** `slurm.partitions`; the elements of a list of objects are `jobs[].state`. */
  readonly path: string;
  readonly depth: number;
  /** In words: `integer`, `list of string`, `map of string`, `object`. */
  readonly type: string;
  readonly required: boolean;
  /** undefined: none. Objects, whose default is that of their fields, have none. */
  readonly default: unknown;
  /** `1 to 64`, `at most 16 items`, … */
  readonly constraints: readonly string[];
  readonly values: readonly string[];
  readonly example: unknown;
  readonly description: string;
};

/** Every field, an object before its own fields, in the order of the definition. */
export function fieldsOf(schema: z.ZodType): readonly Field[] {
  return below(jsonSchema(schema), '', 0);
}

function below(schema: JsonSchema, prefix: string, depth: number): readonly Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    const own: Field = {
      path,
      depth,
      type: typeWords(property),
      required: schema.required?.includes(name) ?? false,
      default: property.type === 'object' && property.properties ? undefined : property.default,
      constraints: constraintWords(property),
      values: (property.enum ?? []).map(String),
      example: property.examples?.[0],
      description: property.description ?? '',
    };
    const inner = property.type === 'array' && property.items ? property.items : property;
    return [own, ...below(inner, inner === property ? path : `${path}[]`, depth + 1)];
  });
}

function typeWords(schema: JsonSchema): string {
  if (schema.type === 'array') return `list of ${schema.items ? typeWords(schema.items) : 'anything'}`;
  if (schema.type === 'object' && typeof schema.additionalProperties === 'object')
    return `map of ${typeWords(schema.additionalProperties)}`;
  if (schema.format === 'date-time') return 'time';
  return schema.type ?? 'anything';
}

function constraintWords(schema: JsonSchema): readonly string[] {
  const each = schema.type === 'array' ? schema.items : undefined;
  return [
    ...rangeWords(schema),
    ...(schema.enum ? [schema.enum.map((value) => `\`${value}\``).join(', ')] : []),
    ...(schema.maxItems === undefined ? [] : [`at most ${schema.maxItems} items`]),
    ...(each?.enum ? [`each of ${each.enum.map((value) => `\`${value}\``).join(', ')}`] : []),
    ...(schema.maxLength === undefined ? [] : [`at most ${schema.maxLength} characters`]),
    ...patternsOf(schema).map((pattern) => `matches \`${pattern}\``),
    ...(each ? patternsOf(each).map((pattern) => `each matches \`${pattern}\``) : []),
  ];
}

function rangeWords({ minimum, maximum, exclusiveMinimum }: JsonSchema): readonly string[] {
  const low = minimum === undefined ? undefined : `${exclusiveMinimum ? 'above' : 'from'} ${minimum}`;
  const high = maximum === undefined ? undefined : `${low ? 'to' : 'at most'} ${maximum}`;
  const words = [low, high].filter((word) => word !== undefined).join(' ');
  return words === '' ? [] : [words];
}

function patternsOf(schema: JsonSchema): readonly string[] {
  return [schema, ...(schema.allOf ?? [])].flatMap(({ pattern }) => (pattern === undefined ? [] : [pattern]));
}
