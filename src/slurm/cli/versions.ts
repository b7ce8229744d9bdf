/** What differs between versions of Slurm's programs, as far as this adapter can see. Newest first. */
type Version = {
  /** First version the row speaks of, `[year, month]`. */
  readonly since: readonly [number, number];
  /** `sacct --format` knows the field, and refuses the whole question if it does not. */
  readonly sacctFailedNode: boolean;
};

const VERSIONS = [
  { since: [24, 11], sacctFailedNode: true },
  { since: [0, 0], sacctFailedNode: false },
] as const satisfies readonly Version[];

/**
 * @param text as `--version` prints it: `slurm 24.11.5`, Debian's `slurm-wlm 22.05.8`
 * @returns the number; undefined when there is none
 */
export function readVersion(text: string): string | undefined {
  return /\b(\d{2}\.\d{2}(?:\.\d+)?\S*)/.exec(text)?.[1];
}

/** A version nobody could name is taken for the oldest: it asks for the least. */
export function versionTraits(version: string | undefined): Version {
  const [year = 0, month = 0] = (version ?? '').split('.').map(Number);
  const oldest: Version = VERSIONS[VERSIONS.length - 1] as Version;
  return VERSIONS.find(({ since }) => year > since[0] || (year === since[0] && month >= since[1])) ?? oldest;
}
