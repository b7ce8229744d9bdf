import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createEditor } from '../../../src/store/directory/edit.ts';
import { withoutDocument, withReplicas } from '../../../src/store/directory/splice.ts';
import { DIRECTORY_DEFAULTS } from '../../../src/store/directory/store.ts';
import { refusingFiles } from './broken-files.ts';
import { inScratch, manifest, OTHER, type Scratch, spec, WEB } from './scratch.ts';

const HEAD = 'apiVersion: vllm-slurm.dev/v1alpha1\nkind: VLLMDeployment\nmetadata: {name: web}\n';
const OTHER_TEXT =
  '# the other\napiVersion: vllm-slurm.dev/v1alpha1\nkind: VLLMDeployment\nmetadata: {name: other}\nspec:\n  model: {uri: hf://o/m}\n';

const SCALED: Readonly<Record<string, readonly [string, string | undefined]>> = {
  'a number in its place': [
    `${HEAD}spec:\n  replicas:   2   # two\n  model: {uri: hf://o/m}\n`,
    `${HEAD}spec:\n  replicas:   7   # two\n  model: {uri: hf://o/m}\n`,
  ],
  'a line of its own where there was none': [
    `${HEAD}spec: # what\n    # which\n    model:   {uri: hf://o/m}\n`,
    `${HEAD}spec: # what\n    replicas: 7\n    # which\n    model:   {uri: hf://o/m}\n`,
  ],
  'line ends as they are': [
    `${HEAD}spec:\n  model: {uri: hf://o/m}\n`.replaceAll('\n', '\r\n'),
    `${HEAD}spec:\n  replicas: 7\n  model: {uri: hf://o/m}\n`.replaceAll('\n', '\r\n'),
  ],
  braces: [`${HEAD}spec: {model: {uri: hf://o/m}}\n`, `${HEAD}spec: {replicas: 7, model: {uri: hf://o/m}}\n`],
  'a value left empty': [
    `${HEAD}spec:\n  replicas:\n  model: {uri: hf://o/m}\n`,
    `${HEAD}spec:\n  replicas: 7\n  model: {uri: hf://o/m}\n`,
  ],
  JSON: [
    '{"kind":"VLLMDeployment","metadata":{"name":"web"},"spec":{"replicas":1}}',
    '{"kind":"VLLMDeployment","metadata":{"name":"web"},"spec":{"replicas":7}}',
  ],
  'the right document of several': [
    `${OTHER_TEXT}---\n${HEAD}spec:\n  replicas: 1\n`,
    `${OTHER_TEXT}---\n${HEAD}spec:\n  replicas: 7\n`,
  ],
  'nothing where there is no spec': [HEAD, undefined],
  'nothing where the spec is an alias': [`x: &s {}\n${HEAD}spec: *s\n`, undefined],
  'nothing where the resource is another': [OTHER_TEXT, undefined],
};

describe('setting the replicas changes', () => {
  for (const [what, [text, expected]] of Object.entries(SCALED)) {
    test(what, () => assert.equal(withReplicas(text, WEB, 7), expected));
  }
});

const WEB_TEXT = `${HEAD}spec: {model: {uri: hf://o/m}}\n`;
const CONFIG_MAP = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n';

const REMOVED: Readonly<Record<string, readonly [string, string | undefined]>> = {
  'the last document, and with it the file': [`# a comment\n${WEB_TEXT}`, ''],
  'the first of two': [`${WEB_TEXT}---\n${OTHER_TEXT}`, `---\n${OTHER_TEXT}`],
  'the last of two': [`${OTHER_TEXT}---\n${WEB_TEXT}`, OTHER_TEXT],
  'the middle of three': [`${OTHER_TEXT}---\n${WEB_TEXT}---\n${CONFIG_MAP}`, `${OTHER_TEXT}---\n${CONFIG_MAP}`],
  'nothing where it is not': [OTHER_TEXT, undefined],
};

describe('removing a resource removes', () => {
  for (const [what, [text, expected]] of Object.entries(REMOVED)) {
    test(what, () => assert.equal(withoutDocument(text, WEB), expected));
  }
});

const editor = (scratch: Scratch, files = DIRECTORY_DEFAULTS.files) =>
  createEditor({ ...DIRECTORY_DEFAULTS, directory: scratch.path, files });

const told = (answer: Awaited<ReturnType<ReturnType<typeof createEditor>['remove']>>) =>
  answer.ok ? 'done' : `${answer.error.kind}: ${answer.error.message}`;

inScratch('scaling needs no lock and keeps mode, byte order mark and symlink', async (scratch) => {
  await mkdir(join(scratch.path, 'real'));
  const real = join(scratch.path, 'real', 'web.yaml');
  await writeFile(real, `\uFEFF${manifest(WEB, spec(1))}`);
  await chmod(real, 0o640);
  await symlink('real/web.yaml', join(scratch.path, 'web.yaml'));
  const store = await scratch.open();
  assert.equal(told(await editor(scratch).setReplicas(WEB, 3)), 'done');
  assert.equal(await scratch.read('web.yaml'), `\uFEFF${manifest(WEB, spec(3))}`);
  assert.equal((await stat(real)).mode & 0o777, 0o640);
  assert.equal((await lstat(join(scratch.path, 'web.yaml'))).isSymbolicLink(), true);
  await store.refresh();
  assert.deepEqual((await store.list()).ok && store.problems(), []);
});

inScratch('an edit that would make the spec invalid is refused with the field', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec(1)));
  assert.match(told(await editor(scratch).setReplicas(WEB, -1)), /^unavailable: spec\.replicas: /);
  assert.equal(await scratch.read('web.yaml'), manifest(WEB, spec(1)));
});

inScratch('what is not there, twice there or cannot be read is not edited', async (scratch) => {
  const edit = editor(scratch);
  assert.equal(told(await edit.remove(WEB)), `conflict: default/web is declared in no file of ${scratch.path}`);
  await scratch.write('a.yaml', manifest(WEB, spec()));
  await scratch.write('b.yaml', manifest(WEB, spec()));
  assert.equal(
    told(await edit.remove(WEB)),
    'unavailable: default/web is declared more than once, in a.yaml:2 and b.yaml:2: remove all but one',
  );
  await scratch.remove('b.yaml');
  await scratch.write('a.yaml', `${manifest(WEB, spec())}\n  - [`);
  assert.match(told(await edit.setReplicas(WEB, 2)), /^unavailable: a\.yaml:\d+: /);
});

inScratch('a file in which only a person can tell what to change is left to one', async (scratch) => {
  const text = `${HEAD}spec: &s {model: {uri: hf://o/m}}\n---\n${HEAD.replace('web', 'other')}spec:\n  <<: {model: {uri: hf://o/m}}\n`;
  await scratch.write('web.yaml', text.replace('spec: &s', 'x: &s').replace('---', 'spec: *s\n---'));
  assert.match(told(await editor(scratch).setReplicas(WEB, 2)), /^unavailable: /);
});

inScratch('removing the only document removes the file, another leaves it', async (scratch) => {
  await scratch.write('both.yaml', `${manifest(WEB, spec())}---\n${manifest(OTHER, spec())}`);
  assert.equal(told(await editor(scratch).remove(WEB)), 'done');
  assert.equal(await scratch.read('both.yaml'), `---\n${manifest(OTHER, spec())}`);
  assert.equal(told(await editor(scratch).remove(OTHER)), 'done');
  assert.deepEqual(await scratch.names(), []);
});

inScratch('a disk that refuses leaves the file as it was and no litter', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec(1)));
  for (const call of ['create', 'rename'] as const) {
    const disk = refusingFiles();
    disk.refuse(call, 'EROFS');
    assert.equal(
      told(await editor(scratch, disk.files).setReplicas(WEB, 2)),
      `unavailable: ${scratch.path}: the file system is read-only`,
    );
    assert.deepEqual([await scratch.names(), await scratch.read('web.yaml')], [['web.yaml'], manifest(WEB, spec(1))]);
  }
});

inScratch('a file that somebody saves at the same moment is not overwritten', async (scratch) => {
  await scratch.write('web.yaml', manifest(WEB, spec(1)));
  const files = { ...DIRECTORY_DEFAULTS.files };
  let looks = 0;
  const racing: typeof files = {
    ...files,
    facts: async (path) => {
      looks += 1;
      if (looks === 2) await scratch.write('web.yaml', manifest(WEB, spec(9)));
      return files.facts(path);
    },
  };
  assert.equal(
    told(await editor(scratch, racing).setReplicas(WEB, 2)),
    `conflict: ${scratch.path}/web.yaml was changed at the same time: try again`,
  );
  assert.equal(await scratch.read('web.yaml'), manifest(WEB, spec(9)));
});
