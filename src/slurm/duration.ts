/**
 * SLURM's notations of a time span: `M`, `M:S`, `H:M:S`, `D-H`, `D-H:M`, `D-H:M:S`, `UNLIMITED`, `INFINITE`.
 * @returns seconds, Infinity for no limit, undefined when it is none of these. Source: sbatch(1) `--time`.
 */
export function parseSlurmTime(text: string): number | undefined {
  if (/^(unlimited|infinite)$/i.test(text)) return Number.POSITIVE_INFINITY;
  const match = /^(?:(\d{1,6})-)?(\d{1,8})(?::(\d{1,2}))?(?::(\d{1,2}))?$/.exec(text);
  if (!match) return undefined;
  const [, days, ...rest] = match;
  const parts = rest.filter((part) => part !== undefined).map(Number);
  const [a = 0, b = 0, c = 0] = parts;
  if (days !== undefined) return ((Number(days) * 24 + a) * 60 + b) * 60 + c;
  if (parts.length === 1) return a * 60;
  if (parts.length === 2) return a * 60 + b;
  return (a * 60 + b) * 60 + c;
}
