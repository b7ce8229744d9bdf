import { createHash } from 'node:crypto';
import type { Resource } from '../api/resource.ts';
import { PRESET_PARTS, Spec } from '../api/spec.ts';
import { presetOf } from './presets.ts';
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

/**
 * The same for a spec with a preset, and of its person's own words alone: another catalog, which comes with every release
 * of the operator, is no edit and replaces no job that serves. `docs/adr/0009-a-catalog-is-no-edit.md`
 * Where a preset may say something, words that are so by default count too: they may stand against it.
 * @param raw a spec that was found good
 * @returns undefined without a preset: `specHash` says it all
 */
export function presetHash(raw: unknown): string | undefined {
  if (presetOf(raw) === undefined || !isRecord(raw)) return undefined;
  const { replicas, suspend, restartPolicy, ...job } = raw;
  const mayBePreset: readonly string[] = PRESET_PARTS;
  const words = Object.entries(withoutPlace(job)).map(([part, value]) => [
    part,
    mayBePreset.includes(part) ? value : withoutDefaults(value, Reflect.get(DEFAULTS, part)),
  ]);
  return digest(Object.fromEntries(words));
}

/** What the jobs of a resource are known by. */
export function resourceHash(resource: Pick<Resource, 'specHash'>, spec: Spec): string {
  return resource.specHash ?? specHash(spec);
}

/** A spec is never changed, and every turn of its deployment asks. */
const hashes = new WeakMap<Spec, string>();

function hashOf(spec: Spec): string {
  const { replicas, suspend, restartPolicy, ...job } = spec;
  return digest(withoutDefaults(withoutPlace(job), defaultsFor(spec)));
}

/** A job is made alike everywhere: where it is to be is compared with where it is. */
function withoutPlace(job: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (!isRecord(job.slurm)) return job;
  const { cluster, places, partitions, ...slurm } = job.slurm;
  return { ...job, slurm: { ...slurm, ...(places === undefined && partitions !== undefined && { partitions }) } };
}

function digest(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 16);
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
