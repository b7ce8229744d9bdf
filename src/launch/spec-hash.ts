import type { Spec } from '../api/spec.ts';

/** Names what a job was made from: two specs with one hash run the same job. */
export function specHash(spec: Spec): string {
  return JSON.stringify(spec);
}
