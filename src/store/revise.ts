import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type Catalog, EMPTY_CATALOG } from '../api/catalog.ts';
import type { Key } from '../api/key.ts';
import type { Resource, SpecProblem } from '../api/resource.ts';
import type { Spec } from '../api/spec.ts';
import { readSpec } from '../launch/read-spec.ts';
import { presetHash } from '../launch/spec-hash.ts';
import type { Result } from '../result.ts';

/** What a person declares under one name, read. */
export type Declared = {
  readonly spec: Result<Spec, readonly SpecProblem[]>;
  /** The raw `spec` in canonical JSON. */
  readonly specText: string;
  /** Of `specText`: the same for texts that differ in comments, order or layout only. */
  readonly digest: string;
  /** With a preset: what `Resource.specHash` becomes. */
  readonly specHash: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
};

/** A resource with what its store must remember besides. */
export type Held = {
  readonly resource: Resource;
  /** `digest` that `resource.generation` was counted for. */
  readonly seenDigest: string;
  /** `specText` that `resource.spec` was read from; undefined as long as there was no good one. */
  readonly goodText: string | undefined;
};

export function declare(
  rawSpec: unknown,
  annotations: Readonly<Record<string, string>> = {},
  catalog: Catalog = EMPTY_CATALOG,
): Declared {
  const specText = canonicalJson(rawSpec);
  return {
    spec: readSpec(rawSpec, catalog),
    specText,
    digest: digestOf(specText),
    specHash: presetHash(rawSpec),
    annotations,
  };
}

export function digestOf(specText: string): string {
  return createHash('sha256').update(specText).digest('hex');
}

/** The first sight of a resource. */
export function admit(key: Key, declared: Declared, born: { readonly uid: string; readonly atMs: number }): Held {
  const { spec, specText, digest, specHash, annotations } = declared;
  return {
    seenDigest: digest,
    goodText: spec.ok ? specText : undefined,
    resource: {
      key,
      uid: born.uid,
      generation: 1,
      version: '0',
      createdMs: born.atMs,
      finalizers: [],
      annotations,
      spec: spec.ok ? spec.value : undefined,
      ...(spec.ok && specHash !== undefined && { specHash }),
      specGeneration: spec.ok ? 1 : 0,
      problems: spec.ok ? [] : spec.error,
      status: {},
    },
  };
}

/**
 * What an edit makes of a resource. The generation rises when the meaning of `spec` changed, and an edit that is
 * no good leaves the last good spec in force.
 * @returns `held` itself when nothing changed
 */
export function revise(held: Held, declared: Declared): Held {
  return annotate(reviseSpec(held, declared), declared.annotations);
}

/** @returns `held` itself when these are its annotations */
export function annotate(held: Held, annotations: Declared['annotations']): Held {
  if (isDeepStrictEqual(held.resource.annotations, annotations)) return held;
  return { ...held, resource: { ...held.resource, annotations } };
}

function reviseSpec(held: Held, { spec, specText, digest, specHash }: Declared): Held {
  const { resource } = held;
  const problems = spec.ok ? [] : spec.error;
  if (digest === held.seenDigest) {
    // The same text may be judged anew, by another release or catalog, or with its lines moved.
    const judgedAlike = isDeepStrictEqual(resource.problems, problems);
    const readAlike = !spec.ok || isDeepStrictEqual(resource.spec, spec.value);
    if (judgedAlike && readAlike) return held;
    if (!spec.ok) return { ...held, resource: { ...resource, problems } };
    return {
      ...held,
      goodText: specText,
      resource: { ...resource, problems, spec: spec.value, specGeneration: resource.generation },
    };
  }
  const goodIsPresent = resource.specGeneration === resource.generation;
  const asksAlike = specHash === resource.specHash;
  if (spec.ok && goodIsPresent && asksAlike && isDeepStrictEqual(spec.value, resource.spec)) {
    const unspoiled = resource.problems.length === 0 ? resource : { ...resource, problems };
    return { seenDigest: digest, goodText: specText, resource: unspoiled }; // a default written out, or left out again
  }
  const generation = resource.generation + 1;
  if (!spec.ok) return { ...held, seenDigest: digest, resource: { ...resource, generation, problems } };
  const { specHash: _, ...rest } = resource;
  return {
    seenDigest: digest,
    goodText: specText,
    resource: {
      ...rest,
      generation,
      problems,
      spec: spec.value,
      ...(specHash !== undefined && { specHash }),
      specGeneration: generation,
    },
  };
}

/** JSON with the keys of every object sorted. What JSON cannot say (`undefined`, NaN) reads as null. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
