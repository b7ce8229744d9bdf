import { createHash } from 'node:crypto';
import { Spec } from '../api/spec.ts';
import { defaultStages } from './topology.ts';

/**
 * Names what a job was made from: two specs with one hash run the same job.
 *
 * Values equal to the schema's default are left out, so that a new version with a new field of ours, and its default,
 * does not restart every job there is. A field nobody thought of here counts.
 * @returns 16 hex digits
 */
export function specHash(spec: Spec): string {
  const known = hashes.get(spec);
  if (known !== undefined) return known;
  const hash = hashOf(spec);
  hashes.set(spec, hash);
  return hash;
}

/** A spec is never changed, and every turn of its deployment asks. */
const hashes = new WeakMap<Spec, string>();

function hashOf(spec: Spec): string {
  const { replicas, suspend, restartPolicy, ...job } = spec;
  const text = canonicalJson(withoutDefaults(job, defaultsFor(spec)));
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** `model.uri` alone has no default; no spec of a person can be told from this one by its other fields. */
const DEFAULTS = Spec.parse({ model: { uri: 'hf://a/b' } });

/** The default of `pipeline` depends on other fields: it is no part of the schema, and no difference when written out. */
function defaultsFor({ parallelism = DEFAULTS.parallelism, resources = DEFAULTS.resources }: Spec): unknown {
  const pipeline = defaultStages({ parallelism, resources });
  return { ...DEFAULTS, parallelism: { ...DEFAULTS.parallelism, pipeline } };
}

/** @returns undefined when nothing is left */
function withoutDefaults(value: unknown, standard: unknown): unknown {
  if (!isRecord(value)) return canonicalJson(value) === canonicalJson(standard) ? undefined : value;
  const kept = Object.entries(value)
    .map(([key, part]) => [key, withoutDefaults(part, isRecord(standard) ? standard[key] : undefined)] as const)
    .filter(([, part]) => part !== undefined);
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/** One text a value: keys sorted, as their order in a file means nothing. */
function canonicalJson(value: unknown): string {
  const sorted = (_key: string, part: unknown): unknown =>
    isRecord(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part;
  return JSON.stringify(value, sorted) ?? '';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
