import { err, ok, type Result } from '../../result.ts';

/** What differs between versions of the API, as far as this adapter can see. */
export type ApiVersion = {
  /** As in its paths. */
  readonly name: string;
  /** How a job is described: `flat` is that of 22.05. */
  readonly submission: 'flat' | 'structured';
  /** A listing tells when anything last changed, and the next one may ask for what came since. */
  readonly tellsLastUpdate: boolean;
};

/** Oldest first. v0.0.39 came and went with 23.02 and is served by none of the versions this was seen with. */
export const API_VERSIONS: readonly ApiVersion[] = [
  { name: 'v0.0.38', submission: 'flat', tellsLastUpdate: false },
  ...['v0.0.40', 'v0.0.41', 'v0.0.42', 'v0.0.43', 'v0.0.44', 'v0.0.45'].map(
    (name): ApiVersion => ({ name, submission: 'structured', tellsLastUpdate: true }),
  ),
];

/** @param openapi the document slurmrestd has of itself. @returns the newest version both know */
export function negotiate(openapi: string): Result<ApiVersion, string> {
  const offered = new Set(
    [...openapi.matchAll(/"\\?\/slurm\\?\/(v\d+\.\d+\.\d+)\\?\/jobs\\?\/?"/g)].map(([, name]) => name),
  );
  const best = API_VERSIONS.findLast(({ name }) => offered.has(name));
  if (best) return ok(best);
  const known = `${API_VERSIONS[0]?.name} and v0.0.40 to ${API_VERSIONS.at(-1)?.name} are understood`;
  return err(
    offered.size === 0
      ? 'what answers there is no slurmrestd'
      : `slurmrestd offers ${[...offered].join(', ')}; ${known}`,
  );
}
