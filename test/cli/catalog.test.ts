import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { workspace } from './workspace.ts';

const names = (table: string): readonly string[] =>
  table
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(' ', 1)[0] ?? '');

test('catalog lists presets, and those alone that are asked for', async () => {
  await using here = workspace();
  assert.equal(names((await here.run('catalog')).stdout).length, 9);
  const small = await here.run('catalog', '--gpus', '2', '--vision');
  assert.deepEqual(names(small.stdout), ['glm-4.6v-fp8', 'llama-4-scout']);
  const none = await here.run('catalog', '--precision', 'int2');
  assert.deepEqual(none, { code: 0, stdout: '', stderr: 'No preset is like that.\n' });
});

test('what catalog shows of a preset is a deployment that can be planned as it is', async () => {
  await using here = workspace();
  const { stdout } = await here.run('catalog', 'glm-4.7-flash');
  const planned = await here.runWithInput(stdout, 'plan', '-f', '-');
  assert.equal(planned.code, 0, planned.stderr);
  assert.match(planned.stdout, /^default\/glm-4-7-flash: new, 1 replica$/m);
  assert.doesNotMatch(planned.stdout, /warning:/);
});

test('an unknown preset is no answer, and a near one is named', async () => {
  await using here = workspace();
  assert.deepEqual(await here.run('catalog', 'gpt-oss-12b'), {
    code: 1,
    stdout: '',
    stderr: 'error: no preset "gpt-oss-12b". Did you mean "gpt-oss-120b"?\n',
  });
});

test("a site's presets come beside the operator's, win over those of the same name, and one that is broken harms nobody else", async () => {
  await using here = workspace();
  const own = path.join(here.home, 'catalog');
  mkdirSync(own);
  const bundled = (await here.run('catalog', 'gpt-oss-20b', '--json')).stdout;
  const { name, ...preset } = JSON.parse(bundled);
  assert.equal(name, 'gpt-oss-20b');
  writeFileSync(path.join(own, 'ours.yaml'), JSON.stringify({ ...preset, vision: true }));
  writeFileSync(
    path.join(own, 'gpt-oss-20b.yaml'),
    JSON.stringify({ ...preset, spec: { model: { uri: 'hf://our/copy' } } }),
  );
  writeFileSync(path.join(own, 'torn.yaml'), 'title: torn\n');
  const site = ['--set', `catalogDirectory=${own}`];
  const listed = await here.run('catalog', '--gpus', '1', ...site);
  assert.deepEqual(names(listed.stdout), ['gpt-oss-120b', 'gpt-oss-20b', 'ours']);
  assert.match(listed.stderr, /^warning: .*torn\.yaml: .*description/);
  assert.match((await here.run('catalog', 'gpt-oss-20b', ...site)).stdout, /hf:\/\/our\/copy/);
  const missing = await here.run('catalog', '--set', `catalogDirectory=${own}/none`);
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /catalogDirectory: the catalog .*none cannot be read/);
});
