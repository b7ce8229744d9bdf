import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { EMPTY_CATALOG } from '../../../src/api/catalog.ts';
import { type FollowedTenancy, followTenancy } from '../../../src/cli/settings/follow-tenancy.ts';
import { readTenancyText } from '../../../src/cli/settings/tenancy.ts';
import { createManualClock, type ManualClock } from '../../gen/manual-clock.ts';

const rulesFor = (...namespaces: readonly string[]): string =>
  `rules:\n${namespaces.map((name) => `  - namespaces: [${name}]\n`).join('')}`;
/** Between two looks. */
const LOOK_MS = 5_000;

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

  async function follow(read?: typeof readTenancyText): Promise<FollowedTenancy> {
    const followed = await followTenancy(
      { file, cluster: 'alps', catalog: EMPTY_CATALOG },
      {
        clock,
        info: (message) => void said.push(message),
        warn: (message) => void said.push(message),
        ...(read && { read }),
      },
    );
    if (!followed.ok) throw new Error(followed.error);
    followed.value.onChange(() => {
      changes += 1;
    });
    return followed.value;
  }
  /** Each has ended when the next is planned. */
  async function looks(count: number): Promise<void> {
    for (let look = 0; look < count; look++) {
      await clock.advance(LOOK_MS);
      while (clock.nextTimerMs() === undefined) await setImmediate();
    }
  }
  const namespacesOf = (rules: FollowedTenancy): readonly string[] =>
    rules.current().rules.flatMap(({ namespaces }) => namespaces);

  it('a new version counts, everybody is told once, and nothing is told while nothing changes', async () => {
    writeFileSync(file, rulesFor('a'));
    const rules = await follow();
    await looks(12);
    assert.deepEqual([namespacesOf(rules), said, changes], [['a'], [], 0]);
    writeFileSync(file, rulesFor('a', 'b'));
    await looks(12);
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
    const rules = await follow();
    version('..2', rulesFor('b'));
    rmSync(join(directory, '..1'), { recursive: true });
    await looks(2);
    assert.deepEqual([namespacesOf(rules), changes], [['b'], 1]);
    rules.close();
  });

  it('a version with a mistake, or none at all, leaves the last good one in force and says so once, until it is mended', async () => {
    writeFileSync(file, rulesFor('a'));
    const rules = await follow();
    writeFileSync(file, 'rules:\n  - namespaces: [B]\n');
    await looks(12);
    const mistake = `${file}:2: rules.0.namespaces.0: must be a namespace, a beginning such as team-a-*, or *`;
    assert.deepEqual([namespacesOf(rules), rules.trouble(), changes], [['a'], mistake, 0]);
    rmSync(file);
    await looks(12);
    assert.match(rules.trouble() ?? '', /^kubernetes\.tenancyFile cannot be read: ENOENT/);
    const kept = 'the rules for namespaces are left as they were, for their file cannot be used: ';
    assert.deepEqual(
      said.map((message) => message.startsWith(kept)),
      [true, true],
    );
    writeFileSync(file, rulesFor('c'));
    await looks(2);
    assert.deepEqual([namespacesOf(rules), rules.trouble(), changes], [['c'], undefined, 1]);
    rules.close();
  });

  it('the version from before, put back in place of a mistake, ends the trouble', async () => {
    writeFileSync(file, rulesFor('a'));
    const rules = await follow();
    writeFileSync(file, 'rules: [');
    await looks(2);
    assert.notEqual(rules.trouble(), undefined);
    writeFileSync(file, rulesFor('a'));
    await looks(2);
    assert.deepEqual([namespacesOf(rules), rules.trouble()], [['a'], undefined]);
    rules.close();
  });

  it('what an editor is in the middle of writing is not used', async () => {
    writeFileSync(file, rulesFor('a', 'b'));
    const rules = await follow();
    writeFileSync(file, rulesFor('a'));
    await looks(1);
    writeFileSync(file, rulesFor('a', 'b', 'c'));
    await looks(2);
    assert.deepEqual([namespacesOf(rules), changes], [['a', 'b', 'c'], 1]);
    rules.close();
  });

  it('there are none to begin with from a file that cannot be used', async () => {
    writeFileSync(file, '');
    const followed = await followTenancy(
      { file, cluster: 'alps', catalog: EMPTY_CATALOG },
      { clock, info: () => undefined, warn: () => undefined },
    );
    assert.deepEqual([followed.ok, clock.nextTimerMs()], [false, undefined]);
  });

  it('a file system that does not answer holds nobody up, is asked once, and is told of', async () => {
    writeFileSync(file, rulesFor('a'));
    let reads = 0;
    const answer = Promise.withResolvers<void>();
    const rules = await follow(async (path) => {
      reads += 1;
      if (reads === 2) await answer.promise;
      return readTenancyText(path);
    });
    await clock.advance(LOOK_MS);
    assert.deepEqual([namespacesOf(rules), rules.trouble()], [['a'], undefined]);
    await clock.advance(60_000);
    assert.deepEqual(
      [namespacesOf(rules), reads, rules.trouble()],
      [['a'], 2, `kubernetes.tenancyFile cannot be read: ${file} has not answered for 30 s`],
    );
    answer.resolve();
    while (clock.nextTimerMs() === undefined) await setImmediate();
    assert.equal(rules.trouble(), undefined);
    rules.close();
  });
});
