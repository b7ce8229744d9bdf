import type { HttpAnswer } from '../../../src/slurm/rest/http.ts';
import { API_VERSIONS, type ApiVersion } from '../../../src/slurm/rest/versions.ts';
import { type RecordedVersion, recorded, VERSIONS } from '../cli/recorded.ts';

export { type RecordedVersion, VERSIONS };

/** What the version's own slurmrestd is spoken to in. */
export const API: Readonly<Record<RecordedVersion, ApiVersion>> = {
  '22.05.8': named('v0.0.38'),
  '24.11.5': named('v0.0.42'),
  '26.05.5': named('v0.0.45'),
};

export function named(name: string): ApiVersion {
  const version = API_VERSIONS.find((one) => one.name === name);
  if (!version) throw new Error(`no version ${name}`);
  return version;
}

export function answer(version: RecordedVersion, name: string): HttpAnswer {
  const text = recorded(version, `rest/${name}.http`);
  const at = text.indexOf('\r\n\r\n');
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), text: text.slice(at + 4) };
}

/** The only job of a recorded answer. */
export function job(version: RecordedVersion, name: string): unknown {
  const [only] = (JSON.parse(recorded(version, `rest/${name}.json`)) as { readonly jobs: readonly unknown[] }).jobs;
  return only;
}
