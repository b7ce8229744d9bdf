import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { negotiate } from '../../../src/slurm/rest/versions.ts';
import { recorded } from '../cli/recorded.ts';
import { API, VERSIONS } from './recorded.ts';

/** As the document has them, slashes escaped or not. */
const document = (paths: readonly string[]) =>
  JSON.stringify({ paths: Object.fromEntries(paths.map((one) => [one, {}])) });

describe('the version that is spoken', () => {
  for (const version of VERSIONS) {
    it(`is the newest that ${version} offers`, () => {
      const paths = recorded(version, 'rest/openapi-paths.txt')
        .split('\n')
        .map((line) => line.split(' ')[1] ?? '');
      assert.deepEqual(negotiate(document(paths)), { ok: true, value: API[version] });
      assert.deepEqual(negotiate(document(paths).replaceAll('/', '\\/')), { ok: true, value: API[version] });
    });
  }

  it('is none where all that is offered is too old or too new, or nothing is', () => {
    assert.deepEqual(negotiate(document(['/slurm/v0.0.37/jobs', '/slurm/v0.0.99/jobs/'])), {
      ok: false,
      error: 'slurmrestd offers v0.0.37, v0.0.99; v0.0.38 and v0.0.40 to v0.0.45 are understood',
    });
    assert.deepEqual(negotiate('<html></html>'), { ok: false, error: 'what answers there is no slurmrestd' });
  });
});
