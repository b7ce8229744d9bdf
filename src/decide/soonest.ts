/** @returns the least of the waits, not below 0; undefined when there is none */
export function soonest(waitsMs: readonly (number | undefined)[]): number | undefined {
  const known = waitsMs.filter((wait) => wait !== undefined);
  return known.length > 0 ? Math.max(0, Math.min(...known)) : undefined;
}
