import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { EMPTY_CATALOG } from '../../../src/api/catalog.ts';
import { type FollowedTenancy, followTenancy } from '../../../src/cli/settings/follow-tenancy.ts';
import { createManualClock, type ManualClock } from '../../gen/manual-clock.ts';

const rulesFor = (...namespaces: readonly string[]): string =>
  `rules:\n${namespaces.map((name) => `  - namespaces: [${name}]\n`).join('')}`;
/** As long as two looks can take. */
const TWO_LOOKS_MS = 10_000;

describe('rules for namespaces that follow their file', () => {
  let directory: string;
  let file: string;
  let clock: ManualClock;
  let said: string[];
  let changes: number;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tenancy-'));
    file = join(directory, 'tenancy.yaml');
    clock = createManualClock(0);
    said = [];
    changes = 0;
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function follow(): FollowedTenancy {
    const followed = followTenancy(
      { file, cluster: 'alps', catalog: EMPTY_CATALOG },
      { clock, info: (message) => void said.push(message), warn: (message) => void said.push(message) },
    );
    if (!followed.ok) throw new Error(followed.error);
    followed.value.onChange(() => {
      changes += 1;
    });
    return followed.value;
  }
  const namespacesOf = (rules: FollowedTenancy): readonly string[] =>
    rules.current().rules.flatMap(({ namespaces }) => namespaces);

  it('a new version counts, everybody is told once, and nothing is told while nothing changes', async () => {
    writeFileSync(file, rulesFor('a'));
    const rules = follow();
    await clock.advance(60_000);
    assert.deepEqual([namespacesOf(rules), said, changes], [['a'], [], 0]);
    writeFileSync(file, rulesFor('a', 'b'));
    await clock.advance(60_000);
    assert.deepEqual(
      [namespacesOf(rules), said, changes],
      [['a', 'b'], ['the rules for namespaces have changed: 2 count on alps'], 1],
    );
    rules.close();
    assert.equal(clock.nextTimerMs(), undefined);
  });

  it('a mounted ConfigMap, whose link is swapped for another, is followed', async () => {
    const version = (name: string, text: string) => {
      mkdirSync(join(directory, name));
      writeFileSync(join(directory, name, 'tenancy.yaml'), text);
      symlinkSync(name, join(directory, '..data_tmp'));
      renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
    };
    version('..1', rulesFor('a'));
    symlinkSync('..data/tenancy.yaml', file);
    const rules = follow();
    version('..2', rulesFor('b'));
    rmSync(join(directory, '..1'), { recursive: true });
    await clock.advance(TWO_LOOKS_MS);
    assert.deepEqual([namespacesOf(rules), changes], [['b'], 1]);
    rules.close();
  });

  it('a version with a mistake, or none at all, leaves the last good one in force and says so once, until it is mended', async () => {
    writeFileSync(file, rulesFor('a'));
    const rules = follow();
    writeFileSync(file, 'rules:\n  - namespaces: [B]\n');
    await clock.advance(60_000);
    const mistake = `${file}:2: rules.0.namespaces.0: must be a namespace, a beginning such as team-a-*, or *`;
    assert.deepEqual([namespacesOf(rules), rules.trouble(), changes], [['a'], mistake, 0]);
    rmSync(file);
    await clock.advance(60_000);
    assert.match(rules.trouble() ?? '', /^kubernetes\.tenancyFile cannot be read: ENOENT/);
    const kept = 'the rules for namespaces are left as they were, for their file cannot be used: ';
    assert.deepEqual(
      said.map((message) => message.startsWith(kept)),
      [true, true],
    );
    writeFileSync(file, rulesFor('c'));
    await clock.advance(TWO_LOOKS_MS);
    assert.deepEqual([namespacesOf(rules), rules.trouble(), changes], [['c'], undefined, 1]);
    rules.close();
  });

  it('the version from before, put back in place of a mistake, ends the trouble', async () => {
    writeFileSync(file, rulesFor('a'));
    const rules = follow();
    writeFileSync(file, 'rules: [');
    await clock.advance(TWO_LOOKS_MS);
    assert.notEqual(rules.trouble(), undefined);
    writeFileSync(file, rulesFor('a'));
    await clock.advance(TWO_LOOKS_MS);
    assert.deepEqual([namespacesOf(rules), rules.trouble()], [['a'], undefined]);
    rules.close();
  });

  it('what an editor is in the middle of writing is not used', async () => {
    writeFileSync(file, rulesFor('a', 'b'));
    const rules = follow();
    writeFileSync(file, rulesFor('a'));
    await clock.advance(TWO_LOOKS_MS / 2);
    writeFileSync(file, rulesFor('a', 'b', 'c'));
    await clock.advance(TWO_LOOKS_MS);
    assert.deepEqual([namespacesOf(rules), changes], [['a', 'b', 'c'], 1]);
    rules.close();
  });

  it('there are none to begin with from a file that cannot be used', () => {
    writeFileSync(file, '');
    const followed = followTenancy(
      { file, cluster: 'alps', catalog: EMPTY_CATALOG },
      { clock, info: () => undefined, warn: () => undefined },
    );
    assert.deepEqual([followed.ok, clock.nextTimerMs()], [false, undefined]);
  });
});
