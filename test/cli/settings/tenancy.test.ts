import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EMPTY_CATALOG } from '../../../src/api/catalog.ts';
import { parseTenancy, readTenancyText } from '../../../src/cli/settings/tenancy.ts';
import { err, ok } from '../../../src/result.ts';

const FILE = '/etc/rules/tenancy.yaml';
const parse = (text: string) => parseTenancy(text, { file: FILE, cluster: 'alps', catalog: EMPTY_CATALOG });

describe('the file of rules for namespaces', () => {
  it('holds rules, of which those of this cluster count', () => {
    assert.deepEqual(
      parse('rules:\n  - namespaces: [a]\n  - namespaces: [b]\n    clusters: [jura]\n'),
      ok({ rules: [{ namespaces: ['a'] }], presets: new Map() }),
    );
  });

  it('is no rules at all when it has a mistake, and says the line and the reason', () => {
    const read = parse('rules:\n  - namespaces: [a]\n    accounts: [x]\n    account: [y]\n  - namespaces: [B]\n');
    assert.deepEqual(read.ok ? [] : read.error.split('\n').map((line) => line.replace(`${FILE}:`, '')), [
      '2: rules.0: Unrecognized key: "account"',
      '5: rules.1.namespaces.0: must be a namespace, a beginning such as team-a-*, or *',
    ]);
    assert.match(JSON.stringify(parse('rules: [\n')), /tenancy\.yaml:\d+: /);
  });

  it('that is empty is no rules, too: nobody would be given anything', () => {
    assert.deepEqual(parse(''), err(`${FILE}: rules: Invalid input: expected array, received undefined`));
  });

  it('that is not there is told by its name', () => {
    const missing = readTenancyText('/nonexistent/tenancy.yaml');
    assert.match(missing.ok ? '' : missing.error, /^kubernetes\.tenancyFile cannot be read: ENOENT.*nonexistent/);
  });
});
