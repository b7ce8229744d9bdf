import { z } from 'zod';
import type { SpecProblem } from '../api/resource.ts';
import { Spec } from '../api/spec.ts';
import { didYouMean } from '../nearest.ts';

/** `spec.engine.args[2]`, as kubectl prints it. */
export function fieldPath(path: readonly PropertyKey[]): string {
  return `spec${path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')}`;
}

/** What the schema has against a spec, in words a person can act on. A message of the schema's own is kept. */
export function inWords(issue: z.core.$ZodIssue, raw: unknown): readonly SpecProblem[] {
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsAt(issue.path);
    return issue.keys.map((key) => ({
      field: fieldPath([...issue.path, key]),
      message: `is no field of ${fieldPath(issue.path)}.${didYouMean(key, known) || ` Its fields: ${known.join(', ')}.`}`,
    }));
  }
  return [{ field: fieldPath(issue.path), message: sentence(issue, valueAt(raw, issue.path)) }];
}

function sentence(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue.expected, value);
    case 'invalid_value':
      return `must be one of ${issue.values.join(', ')}, not ${shown(value)}.${didYouMean(String(value), issue.values.map(String))}`;
    case 'too_small':
    case 'too_big':
      return issue.message.startsWith('Too ') ? outOfBounds(issue, value) : issue.message;
    case 'invalid_key':
      return issue.issues[0]?.message ?? issue.message;
    default:
      return issue.message;
  }
}

const TYPES: Readonly<Record<string, string>> = {
  object: 'an object with fields of its own',
  record: 'names with a text each',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

function wrongType(expected: string, value: unknown): string {
  if (value === undefined) return 'is required';
  if (value === null) return 'is empty: give it a value or leave the line out';
  const wanted = `must be ${TYPES[expected] ?? expected}, not ${shown(value)}`;
  if (expected === 'string' && typeof value !== 'object') return `${wanted}: put it in quotes`;
  if (expected === 'array' && typeof value === 'string') return `${wanted}: write [${value}]`;
  return wanted;
}

function outOfBounds(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig, value: unknown): string {
  const [bound, word] =
    issue.code === 'too_big'
      ? [issue.maximum, issue.inclusive === false ? 'below' : 'at most']
      : [issue.minimum, issue.inclusive === false ? 'above' : 'at least'];
  if (issue.origin === 'string') return `must have ${word} ${bound} characters`;
  if (issue.origin === 'array' || issue.origin === 'set') return `must have ${word} ${bound} items`;
  return `must be ${word} ${bound}, not ${shown(value)}`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, part) => (typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined),
    raw,
  );
}

/** Names of the fields the schema has there; none where it has no object. */
function fieldsAt(path: readonly PropertyKey[]): readonly string[] {
  let schema: unknown = Spec;
  for (const part of path) schema = objectIn(schema)?.shape[String(part)];
  return Object.keys(objectIn(schema)?.shape ?? {});
}

function objectIn(schema: unknown): z.ZodObject | undefined {
  if (schema instanceof z.ZodObject) return schema;
  const isWrapped =
    schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault || schema instanceof z.ZodOptional;
  return isWrapped ? objectIn(schema.unwrap()) : undefined;
}
