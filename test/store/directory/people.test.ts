import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Spec } from '../../../src/api/spec.ts';
import { find, value } from '../../contract/store.ts';
import { refusingFiles } from './broken-files.ts';
import { type DirectoryStore, inScratch, manifest, OTHER, type Scratch, spec, WEB } from './scratch.ts';

const LIMIT = 64 * 1024;

/** `web` serves, `other` is there to go on whatever happens to `web`. */
async function serving(scratch: Scratch, options: Parameters<Scratch['open']>[0] = {}): Promise<DirectoryStore> {
  await scratch.write('web.yaml', manifest(WEB, spec(2)));
  await scratch.write('other.yaml', manifest(OTHER, spec(1)));
  const store = await scratch.open({ maxFileBytes: LIMIT, ...options });
  value(await store.addFinalizer(await find(store, WEB)));
  return store;
}

/** `web` as it was, with one problem; `other` follows an edit made at the same time. */
async function holdsWeb(scratch: Scratch, store: DirectoryStore, problem: string): Promise<void> {
  await scratch.write('other.yaml', manifest(OTHER, spec(5)));
  await store.refresh();
  const web = await find(store, WEB);
  assert.deepEqual(
    [
      web.generation,
      web.spec,
      web.deletingSinceMs,
      web.problems.map(({ file, line, message }) => `${file}:${line ?? 0}: ${message}`),
    ],
    [1, Spec.parse(spec(2)), undefined, [`web.yaml:${problem.replace(': ', ': the last good text stays in force: ')}`]],
  );
  assert.equal((await find(store, OTHER)).spec?.replicas, 5);
}

const SPOILT: Readonly<Record<string, readonly [string | Uint8Array, string]>> = {
  'half-written': [manifest(WEB, spec(2)).slice(0, -3).replace('uri: ', 'uri: "'), '8: Missing closing "quote'],
  'emptied by an editor about to write': ['', '0: the file is empty: to delete what it declared, remove it'],
  'with its name mistyped': [
    manifest({ ...WEB, name: 'Web' }, spec(2)),
    '4: metadata.name must be lower-case letters, digits and -, at most 63, not "Web"',
  ],
  'with its kind mistyped': [
    manifest(WEB, spec(2)).replace('VLLM', 'VLM'),
    '2: kind must be VLLMDeployment, not "VLMDeployment"',
  ],
  'not text': [Buffer.from([0xff, 0xfe, 0x00]), '1: the text is not UTF-8'],
  'larger than a file may be': [
    `${manifest(WEB, spec(2))}#${'x'.repeat(LIMIT)}\n`,
    `0: is too large: 65670 bytes, at most ${LIMIT} are read`,
  ],
};

for (const [what, [text, problem]] of Object.entries(SPOILT)) {
  inScratch(
    `a file ${what} keeps what it declared last, now and after a restart, and others go on`,
    async (scratch) => {
      const store = await serving(scratch);
      await scratch.write('web.yaml', text);
      await holdsWeb(scratch, store, problem);
      await store.close();
      await holdsWeb(scratch, await scratch.open({ maxFileBytes: LIMIT }), problem);
    },
  );
}

inScratch('a mended file is read again and its problems are gone', async (scratch) => {
  const store = await serving(scratch);
  await scratch.write('web.yaml', 'kind: [');
  await store.refresh();
  assert.equal(store.problems().length, 1);
  await scratch.write('web.yaml', manifest(WEB, spec(3)));
  await store.refresh();
  const web = await find(store, WEB);
  assert.deepEqual([web.generation, web.problems, web.spec?.replicas, store.problems()], [2, [], 3, []]);
});

inScratch('a new file that cannot be read harms nobody and is told with its line', async (scratch) => {
  const store = await serving(scratch);
  await scratch.write('new.yaml', 'a: 1\nb: [\n');
  await store.refresh();
  assert.deepEqual(
    store.problems().map(({ file, line }) => `${file}:${line}`),
    ['new.yaml:3'],
  );
  assert.equal(value(await store.list()).length, 2);
});

inScratch('of two documents in one file, one taken away is a deletion of that one alone', async (scratch) => {
  await scratch.write('both.yaml', `${manifest(WEB, spec())}---\n${manifest(OTHER, spec())}`);
  const store = await scratch.open();
  await scratch.write('both.yaml', manifest(OTHER, spec()));
  await store.refresh();
  assert.deepEqual(
    value(await store.list()).map(({ key }) => key),
    [OTHER],
  );
});

inScratch('a renamed file and a moved document keep their resource', async (scratch) => {
  const store = await serving(scratch);
  const before = await find(store, WEB);
  await rename(join(scratch.path, 'web.yaml'), join(scratch.path, 'renamed.yml'));
  await store.refresh();
  assert.deepEqual(await find(store, WEB), before);
  await scratch.write('other.yaml', `${manifest(OTHER, spec(1))}---\n${manifest(WEB, spec(2))}`);
  await unlink(join(scratch.path, 'renamed.yml'));
  await store.refresh();
  assert.deepEqual(await find(store, WEB), before);
});

inScratch('a file that vanishes between being listed and being read is simply not there', async (scratch) => {
  const disk = refusingFiles();
  const store = await serving(scratch, { files: disk.files });
  await scratch.write('new.yaml', manifest({ ...WEB, name: 'new' }, spec()));
  disk.refuse('read', 'ENOENT', 'new.yaml');
  await store.refresh();
  assert.deepEqual([store.problems(), value(await store.list()).length], [[], 2]);
});

inScratch('a file that may not be read keeps what it declared, and is read when it may be', async (scratch) => {
  const disk = refusingFiles();
  const store = await serving(scratch, { files: disk.files });
  await scratch.write('web.yaml', manifest(WEB, spec(3)));
  disk.refuse('read', 'EACCES', 'web.yaml');
  await holdsWeb(scratch, store, '0: cannot be read: permission denied');
  disk.heal();
  await store.refresh();
  assert.deepEqual([(await find(store, WEB)).spec?.replicas, store.problems()], [3, []]);
});

inScratch('symlinks are followed, as a mounted ConfigMap has them', async (scratch) => {
  for (const version of ['..1', '..2']) await mkdir(join(scratch.path, version));
  const inside = (version: string) => join(scratch.path, version, 'web.yaml');
  const store = await scratch.open();
  await writeFile(inside('..1'), manifest(WEB, spec(1)));
  await writeFile(inside('..2'), manifest(WEB, spec(2)));
  await symlink('..1', join(scratch.path, '..data'));
  await symlink('..data/web.yaml', join(scratch.path, 'web.yaml'));
  await store.refresh();
  assert.equal((await find(store, WEB)).spec?.replicas, 1);
  await symlink('..2', join(scratch.path, '..data-2'));
  await rename(join(scratch.path, '..data-2'), join(scratch.path, '..data'));
  await store.refresh();
  const web = await find(store, WEB);
  assert.deepEqual([web.spec?.replicas, web.generation, store.problems()], [2, 2, []]);
});

inScratch('a symlink to nothing, or to itself, keeps what the file declared', async (scratch) => {
  const store = await serving(scratch);
  await unlink(join(scratch.path, 'web.yaml'));
  await symlink('nowhere.yaml.txt', join(scratch.path, 'web.yaml'));
  await holdsWeb(scratch, store, '0: is a symlink to nothing');
  await unlink(join(scratch.path, 'web.yaml'));
  await symlink('web.yaml', join(scratch.path, 'web.yaml'));
  await store.refresh();
  assert.deepEqual(store.problems(), [
    { file: 'web.yaml', message: 'cannot be read: a symlink that leads back to itself' },
  ]);
  assert.equal((await find(store, WEB)).deletingSinceMs, undefined);
});

inScratch('a pipe, a device and a directory are not read, and nothing waits for them', async (scratch) => {
  const store = await serving(scratch);
  await promisify(execFile)('mkfifo', [join(scratch.path, 'pipe.yaml')], { timeout: 10_000 });
  await symlink('/dev/null', join(scratch.path, 'device.yaml'));
  await mkdir(join(scratch.path, 'folder.yaml'));
  await store.refresh();
  assert.deepEqual(store.problems(), [
    { file: 'device.yaml', message: 'is no regular file' },
    { file: 'pipe.yaml', message: 'is no regular file' },
  ]);
});

inScratch('hidden files, other endings and other kinds are nobody’s business', async (scratch) => {
  const store = await serving(scratch);
  for (const file of ['.#new.yaml', 'new.yaml~', 'new.yaml.swp', 'README.md'])
    await scratch.write(file, manifest({ ...WEB, name: 'new' }, spec()));
  await scratch.write('kustomization.yaml', 'resources: [web.yaml]\n');
  await scratch.write('config.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\n');
  await store.refresh();
  assert.deepEqual([value(await store.list()).length, store.problems()], [2, []]);
});

inScratch('a file is taken for removed only when it stays away', async (scratch) => {
  const clock = { nowMs: 1_700_000_000_000, now: () => clock.nowMs, after: () => () => undefined };
  const store = await serving(scratch, { clock, removalGraceMs: 3000 });
  await scratch.remove('web.yaml');
  await store.refresh();
  clock.nowMs += 2999;
  await store.refresh();
  assert.equal((await find(store, WEB)).deletingSinceMs, undefined);
  await scratch.write('web.yaml', manifest(WEB, spec(2)));
  await store.refresh();
  await scratch.remove('web.yaml');
  clock.nowMs += 3000;
  await store.refresh();
  assert.equal((await find(store, WEB)).deletingSinceMs, undefined);
  clock.nowMs += 3000;
  await store.refresh();
  assert.equal((await find(store, WEB)).deletingSinceMs, clock.nowMs);
});

inScratch('a file is read when it stands still, not while it is written', async (scratch) => {
  const clock = { now: () => 1_700_000_000_000, after: () => () => undefined };
  const store = await serving(scratch, { clock, settleMs: 1 });
  await scratch.write('web.yaml', manifest(WEB, { ...spec(), suspend: true }));
  await store.refresh();
  assert.equal((await find(store, WEB)).generation, 1);
  await scratch.write('web.yaml', manifest(WEB, spec(7)));
  await store.refresh();
  assert.equal((await find(store, WEB)).generation, 1);
  await store.refresh();
  const web = await find(store, WEB);
  assert.deepEqual([web.generation, web.spec?.replicas, web.spec?.suspend], [2, 7, false]);
});
