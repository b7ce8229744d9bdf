import type { Catalog } from '../api/catalog.ts';
import type { SpecProblem } from '../api/resource.ts';
import { didYouMean } from '../nearest.ts';
import { err, ok, type Result } from '../result.ts';

/** Fields of which a spec has one: who writes one of them does not want the preset's other. */
const RIVALS: readonly (readonly [part: string, one: string, other: string])[] = [
  ['resources', 'memory', 'memoryPerGpu'],
  ['resources', 'memoryPerGpu', 'memory'],
];

/**
 * A raw spec with what its preset says behind it: objects are joined field by field, a list or a value is the spec's own
 * where there is one. Without a preset, or where it is no name at all, the spec as it is.
 */
export function fillIn(raw: unknown, catalog: Catalog): Result<unknown, readonly SpecProblem[]> {
  const name = presetOf(raw);
  if (name === undefined || !isRecord(raw)) return ok(raw);
  const entry = catalog.entries.get(name);
  if (entry) return ok(join(presetBehind(raw, catalog), raw));
  const broken = catalog.broken.get(name);
  const message =
    broken === undefined
      ? `"${name}" is not in the catalog.${didYouMean(name, [...catalog.entries.keys()]) || ' `vllm-slurm catalog` lists what is.'}`
      : `"${name}" cannot be used: ${broken}`;
  return err([{ field: 'spec.preset', message }]);
}

/** What the preset of a spec would fill in, without what the spec says in another field of the same meaning. */
export function presetBehind(raw: unknown, catalog: Catalog): Fields {
  const preset = catalog.entries.get(presetOf(raw) ?? '')?.preset.spec ?? {};
  return isRecord(raw) ? withoutRivals(preset, raw) : preset;
}

export function presetOf(raw: unknown): string | undefined {
  return isRecord(raw) && typeof raw.preset === 'string' ? raw.preset : undefined;
}

function withoutRivals(preset: Fields, raw: Fields): Fields {
  const parts = Object.entries(preset).map(([part, theirs]) => {
    const own = raw[part];
    if (!isRecord(theirs) || !isRecord(own)) return [part, theirs] as const;
    const unwanted = RIVALS.filter(([of, one]) => of === part && own[one] !== undefined).map(([, , other]) => other);
    return [part, Object.fromEntries(Object.entries(theirs).filter(([field]) => !unwanted.includes(field)))] as const;
  });
  return Object.fromEntries(parts);
}

function join(under: Fields, over: Fields): Fields {
  const joined: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = joined[key];
    joined[key] = isRecord(value) && isRecord(below) ? join(below, value) : value;
  }
  return joined;
}

type Fields = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
