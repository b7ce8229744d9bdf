import { z } from 'zod';
import { Spec } from '../../src/api/spec.ts';
import { Status } from '../../src/api/status.ts';

type Schema = { readonly properties?: Readonly<Record<string, Schema>> };

const RESOURCE: Schema = {
  properties: {
    spec: z.toJSONSchema(Spec, { io: 'input', unrepresentable: 'any' }) as Schema,
    status: z.toJSONSchema(Status, { unrepresentable: 'any' }) as Schema,
  },
};

/** Paths such as `spec.slurm.time` in a sentence for people. */
export const fieldsNamedBy = (text: string): readonly string[] => text.match(/\b(spec|status)(\.[A-Za-z]+)+/g) ?? [];

export const isField = (path: string): boolean =>
  path.split('.').reduce<Schema | undefined>((schema, name) => schema?.properties?.[name], RESOURCE) !== undefined;
