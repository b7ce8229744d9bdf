import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EMPTY_CATALOG } from '../../../src/api/catalog.ts';
import { readTenancy } from '../../../src/cli/settings/tenancy.ts';
import { err, ok } from '../../../src/result.ts';

describe('the file of rules for namespaces', () => {
  let directory: string;
  let file: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'tenancy-'));
    file = join(directory, 'tenancy.yaml');
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('is not needed', () => {
    assert.deepEqual(readTenancy(undefined, 'alps', EMPTY_CATALOG), ok(undefined));
  });

  it('holds rules, of which those of this cluster count', () => {
    writeFileSync(file, 'rules:\n  - namespaces: [a]\n  - namespaces: [b]\n    clusters: [jura]\n');
    assert.deepEqual(
      readTenancy(file, 'alps', EMPTY_CATALOG),
      ok({ rules: [{ namespaces: ['a'] }], presets: new Map() }),
    );
  });

  it('stops the operator when it cannot be read as a whole, with line and reason', () => {
    writeFileSync(file, 'rules:\n  - namespaces: [a]\n    accounts: [x]\n    account: [y]\n  - namespaces: [B]\n');
    const read = readTenancy(file, 'alps', EMPTY_CATALOG);
    assert.deepEqual(read.ok ? [] : read.error.split('\n').map((line) => line.replace(`${file}:`, '')), [
      '2: rules.0: Unrecognized key: "account"',
      '5: rules.1.namespaces.0: must be a namespace, a beginning such as team-a-*, or *',
    ]);
    writeFileSync(file, 'rules: [\n');
    assert.match(JSON.stringify(readTenancy(file, 'alps', EMPTY_CATALOG)), /tenancy\.yaml:\d+: /);
    const missing = readTenancy(join(directory, 'none.yaml'), 'alps', EMPTY_CATALOG);
    assert.match(missing.ok ? '' : missing.error, /^kubernetes\.tenancyFile cannot be read: ENOENT/);
  });

  it('that is empty stops it, too: nobody would be given anything', () => {
    writeFileSync(file, '');
    assert.deepEqual(
      readTenancy(file, 'alps', EMPTY_CATALOG),
      err(`${file}: rules: Invalid input: expected array, received undefined`),
    );
  });
});
