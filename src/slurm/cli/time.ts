/** Asks Slurm's programs for epoch seconds, which no time zone changes; UTC for one that should not know how. */
export const TIME_ENVIRONMENT: Readonly<Record<string, string>> = { SLURM_TIME_FORMAT: '%s', TZ: 'UTC' };

/**
 * @param word epoch seconds, or `2026-11-23T20:36:34` taken as UTC
 * @returns epoch, ms; undefined for `N/A`, `NONE`, `Unknown` and anything else
 */
export function readTime(word: string): number | undefined {
  if (/^\d{9,11}$/.test(word)) return Number(word) * 1000;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(word)) return undefined;
  const ms = Date.parse(`${word}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}
