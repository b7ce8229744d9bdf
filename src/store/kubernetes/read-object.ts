import { isDeepStrictEqual } from 'node:util';
import type { Catalog } from '../../api/catalog.ts';
import { GROUP, type Resource } from '../../api/resource.ts';
import type { Spec } from '../../api/spec.ts';
import { Status } from '../../api/status.ts';
import { type KubernetesObject, keyOfObject } from '../../kubernetes/object.ts';
import { readSpec } from '../../launch/read-spec.ts';
import { presetHash } from '../../launch/spec-hash.ts';
import { err, ok, type Result } from '../../result.ts';
import { LAST_GOOD_ANNOTATION, notedSpec } from './last-good.ts';

/** The newest spec of a resource that was good. */
export type GoodSpec = {
  readonly uid: string;
  readonly generation: number;
  readonly spec: Spec;
  readonly specHash?: string;
};

/**
 * An object of the API server as a resource. What slipped past the CustomResourceDefinition, or the admission of an
 * older one, is a problem of this resource and of no other: the last good spec stays in force.
 * @param good of an earlier view, if any
 * @returns an error in words when its status, which holds what is remembered of the jobs, cannot be read
 */
export function readObject(
  object: KubernetesObject,
  good: GoodSpec | undefined,
  catalog?: Catalog,
): Result<Resource, string> {
  const { metadata } = object;
  const status = Status.safeParse(object.status ?? {});
  if (!status.success)
    return err(status.error.issues.map(({ path, message }) => `status.${path.join('.')}: ${message}`).join('; '));
  const read = readSpec(object.spec, catalog);
  const before = read.ok ? undefined : good?.uid === metadata.uid ? good : notedSpec(object);
  const specHash = read.ok ? presetHash(object.spec) : before?.specHash;
  return ok({
    key: keyOfObject(object),
    uid: metadata.uid,
    generation: metadata.generation,
    version: metadata.resourceVersion,
    createdMs: Date.parse(metadata.creationTimestamp),
    ...(metadata.deletionTimestamp !== undefined && { deletingSinceMs: Date.parse(metadata.deletionTimestamp) }),
    finalizers: metadata.finalizers,
    annotations: ownAnnotations(object),
    spec: read.ok ? read.value : before?.spec,
    ...(specHash !== undefined && { specHash }),
    specGeneration: read.ok ? metadata.generation : (before?.generation ?? 0),
    problems: read.ok ? [] : read.error,
    status: status.data,
  });
}

/** Others' are no business of ours, and some are long; nor is the one that this store keeps for itself. */
function ownAnnotations({ metadata }: KubernetesObject): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(metadata.annotations).filter(
      ([name]) => name.startsWith(`${GROUP}/`) && name !== LAST_GOOD_ANNOTATION,
    ),
  );
}

/** Whether somebody other than the operator did something: its own writes, and those of its peers, wake nobody. */
export function isNews(before: KubernetesObject | undefined, after: KubernetesObject | undefined): boolean {
  if (!before || !after) return before !== after;
  return !isDeepStrictEqual(peoplesPart(before), peoplesPart(after));
}

function peoplesPart(object: KubernetesObject): unknown {
  const { uid, generation, deletionTimestamp } = object.metadata;
  return [uid, generation, deletionTimestamp, ownAnnotations(object)];
}
