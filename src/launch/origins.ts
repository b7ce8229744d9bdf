import type { Catalog } from '../api/catalog.ts';
import { presetBehind } from './presets.ts';
import type { Site } from './site.ts';

/** One value a job is made from, and who said it. Defaults of the schema are in the reference and not told. */
export type Origin = {
  /** `engine.maxModelLen` */
  readonly path: string;
  readonly value: unknown;
  readonly from: 'spec' | 'settings' | 'catalog';
  /** What it stands in place of. */
  readonly instead?: unknown;
};

/**
 * Where each value of a deployment is from: the spec, else the site's defaults, else the preset.
 * @param raw a spec that was found good
 */
export function originsOf(raw: unknown, catalog: Catalog, defaults: Site['defaults']): readonly Origin[] {
  const preset = leavesOf(presetBehind(raw, catalog));
  const settings = leavesOf({ slurm: defaults });
  const own = leavesOf(raw);
  const paths = [...new Set([...own.keys(), ...settings.keys(), ...preset.keys()])].sort();
  return paths.map((path) => {
    const sources = [
      { from: 'spec' as const, leaves: own },
      { from: 'settings' as const, leaves: settings },
      { from: 'catalog' as const, leaves: preset },
    ].filter(({ leaves }) => leaves.has(path));
    const [first, second] = sources;
    return {
      path,
      value: first?.leaves.get(path),
      from: first?.from ?? 'spec',
      ...(second && { instead: second.leaves.get(path) }),
    };
  });
}

/** Lists are values: they are taken whole. Nothing and empty lists say nothing. */
function leavesOf(value: unknown, prefix = ''): ReadonlyMap<string, unknown> {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return new Map();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return new Map([[prefix, value]]);
  return new Map(
    Object.entries(value).flatMap(([key, part]) => [...leavesOf(part, prefix === '' ? key : `${prefix}.${key}`)]),
  );
}
