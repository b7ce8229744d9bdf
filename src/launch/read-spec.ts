import type { SpecProblem } from '../api/resource.ts';
import { Spec } from '../api/spec.ts';
import { err, ok, type Result } from '../result.ts';

/**
 * Raw `spec` of a resource, as YAML or JSON gave it, to a spec that can be launched.
 * @returns every problem found, not just the first; `field` is a path such as `spec.engine.args[2]`
 */
export function readSpec(raw: unknown): Result<Spec, readonly SpecProblem[]> {
  const parsed = Spec.safeParse(raw);
  if (parsed.success) return ok(parsed.data);
  return err(
    parsed.error.issues.map((issue) => ({ field: ['spec', ...issue.path].join('.'), message: issue.message })),
  );
}
