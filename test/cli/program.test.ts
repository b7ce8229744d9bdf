import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { workspace } from './workspace.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

test('the version is the one of the package', async () => {
  await using here = workspace();
  const said = await here.run('version');
  assert.deepEqual(said, { code: 0, stdout: `vllm-slurm ${version} (node ${process.versions.node})\n`, stderr: '' });
});

test('help is an answer, wrong usage is not: stdout and 0, stderr and 2', async () => {
  await using here = workspace();
  const help = await here.run('get', '--help');
  assert.deepEqual({ code: help.code, stderr: help.stderr }, { code: 0, stderr: '' });
  assert.match(help.stdout, /^Usage: vllm-slurm get \[options\] \[name\]\n[\s\S]*\nExamples:\n {2}vllm-slurm get /);
  for (const [args, words] of [
    [['gte'], /unknown command 'gte'\n\(Did you mean get\?\)/],
    [['get', '--wach'], /unknown option '--wach'\n\(Did you mean --watch\?\)/],
    [['get', '-o', 'xml'], /Allowed choices are table, wide, json, yaml, name/],
    [['scale', 'a'], /required option '--replicas <n>' not specified/],
  ] as const) {
    const wrong = await here.run(...args);
    assert.deepEqual({ code: wrong.code, stdout: wrong.stdout }, { code: 2, stdout: '' });
    assert.match(wrong.stderr, words);
  }
});

test('wrong settings stop every command with place, key and reason', async () => {
  await using here = workspace();
  assert.deepEqual(await here.run('get', '--set', 'limits.concurency=2', '--log-level', 'loud'), {
    code: 2,
    stdout: '',
    stderr: `error: wrong settings
  --set limits.concurency: limits.concurency: is no setting. Did you mean "limits.concurrency"?
  --log-level: log.level: Invalid option: expected one of "trace"|"debug"|"info"|"warn"|"error"|"silent"
`,
  });
});

test('a reader that leaves early is no error', async () => {
  await using here = workspace();
  await here.serve();
  for (let at = 0; at < 50; at++) here.deployment(`d${at}`, {}, {});
  const listing = here.start('get', '-o', 'yaml');
  listing.child.stdout?.destroy();
  const { code, stderr } = await listing.finished;
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
});

test('a directory no operator has ever worked on is told, not taken for an empty one', async () => {
  await using here = workspace();
  const { code, stdout, stderr } = await here.run('get', '-d', here.logs);
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
  assert.match(stderr, /^error: \S+logs holds no deployments yet/);
});
