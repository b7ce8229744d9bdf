import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { GROUP, type Resource } from '../../api/resource.ts';
import type { KubernetesObject } from '../../kubernetes/object.ts';
import { readSpec } from '../../launch/read-spec.ts';
import type { GoodSpec } from './read-object.ts';

/**
 * On a resource whose present spec is no good: the last one that was, for an operator that starts meanwhile. The API
 * server keeps only the newest spec, and what serves must keep serving.
 */
export const LAST_GOOD_ANNOTATION = `${GROUP}/last-good-spec`;

/** The API server takes 256 KiB of annotations, and others have some, too. A spec that is longer is not noted. */
const LONGEST = 64 * 1024;
const Note = z.object({ generation: z.int(), spec: z.unknown(), specHash: z.string().optional() });

/** What was noted, read as anybody's input: whoever may edit the spec may edit this. */
export function notedSpec({ metadata }: KubernetesObject): GoodSpec | undefined {
  const note = Note.safeParse(parsed(metadata.annotations[LAST_GOOD_ANNOTATION]));
  if (!note.success) return undefined;
  const read = readSpec(note.data.spec);
  if (!read.ok) return undefined;
  const { generation, specHash } = note.data;
  return { uid: metadata.uid, generation, spec: read.value, ...(specHash !== undefined && { specHash }) };
}

/**
 * What the annotation has to become.
 * @returns null: it goes; undefined: it is as it should be
 */
export function noteWanted(seen: Resource, object: KubernetesObject): string | null | undefined {
  const noted = object.metadata.annotations[LAST_GOOD_ANNOTATION];
  if (seen.problems.length === 0 || !seen.spec) return noted === undefined ? undefined : null;
  // What its preset said is in it: by then the catalog may say something else, or nothing.
  const { preset: _, ...spec } = seen.spec;
  const wanted = JSON.stringify({ generation: seen.specGeneration, spec, specHash: seen.specHash });
  if (wanted.length > LONGEST || isDeepStrictEqual(parsed(noted), JSON.parse(wanted))) return undefined;
  return wanted;
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
