import { type Catalog, EMPTY_CATALOG } from '../api/catalog.ts';
import type { SpecProblem } from '../api/resource.ts';
import { Spec } from '../api/spec.ts';
import { err, ok, type Result } from '../result.ts';
import { fillIn } from './presets.ts';
import { fieldPath, inWords } from './schema-problems.ts';
import { SPEC_CHECKS } from './spec-checks.ts';

/**
 * Raw `spec` of a resource, as YAML or JSON gave it, to a spec that can be launched: what its preset says is filled in,
 * defaults last.
 * @returns every problem found, not just the first; `field` is a path such as `spec.engine.args[2]`
 */
export function readSpec(raw: unknown, catalog: Catalog = EMPTY_CATALOG): Result<Spec, readonly SpecProblem[]> {
  const filled = fillIn(raw, catalog);
  if (!filled.ok) return filled;
  const parsed = Spec.safeParse(filled.value);
  if (!parsed.success) return err(parsed.error.issues.flatMap((issue) => inWords(issue, filled.value)));
  const spec = parsed.data;
  const problems = SPEC_CHECKS.flatMap((check) => check(spec)).map(({ at, message }) => ({
    field: fieldPath(at),
    message,
  }));
  return problems.length > 0 ? err(problems) : ok(spec);
}
