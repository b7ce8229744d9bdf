import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { workspace } from './workspace.ts';

const CONFIG = `active_model: qwen
models:
  qwen:
    huggingface_id: Qwen/Qwen3-0.6B
    job_script: jobs/qwen.sh
    port: 8001
  echo: { huggingface_id: a/b, vision: true }
slurm: { account: ml, time_default: "12:00:00" }
logging: { log_dir: logs }
`;
const SCRIPT = '#!/bin/bash\nvllm serve Qwen/Qwen3-0.6B --tool-call-parser hermes\n';

const filesIn = (directory: string): readonly string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();

test('an import writes settings and a deployment a model, which the operator reads as they are', async () => {
  await using here = workspace();
  writeFileSync(join(here.home, 'config.yaml'), CONFIG);
  mkdirSync(join(here.home, 'jobs'));
  writeFileSync(join(here.home, 'jobs/qwen.sh'), SCRIPT);
  const done = await here.run('import', 'config.yaml');
  assert.deepEqual(done, {
    code: 0,
    stdout: [
      'deployments/qwen.yaml: qwen',
      'deployments/echo.yaml: echo, suspended',
      '9 settings carried',
      '2 settings not carried:',
      '  config.yaml:5: models.qwen.job_script: the operator writes the script itself; what this one says was read',
      '  config.yaml:7: models.echo.vision: vLLM finds out from the model itself what it can see',
      '',
    ].join('\n'),
    stderr: 'written to imported; next: vllm-slurm run --config imported/operator.yaml\n',
  });
  assert.deepEqual(filesIn(join(here.home, 'imported')), [
    'deployments/echo.yaml',
    'deployments/qwen.yaml',
    'operator.yaml',
  ]);
  assert.equal(
    readFileSync(join(here.home, 'imported/operator.yaml'), 'utf8').replaceAll(here.home, '~'),
    `# Imported from config.yaml: the settings of the operator that has none of its own below.
# Every setting there is, with its default: config/operator.yaml of the package.

directory: deployments
logDirectory: ~/logs # logging.log_dir, config.yaml:9
defaults:
  account: ml # slurm.account, config.yaml:8
  time: 12:00:00 # slurm.time_default, config.yaml:8
`,
  );
  assert.equal(
    readFileSync(join(here.home, 'imported/deployments/qwen.yaml'), 'utf8'),
    `# Imported from config.yaml:3, models.qwen.
# Not carried:
# - models.qwen.job_script (config.yaml:5): the operator writes the script itself; what this one says was read

apiVersion: vllm-slurm.dev/v1alpha1
kind: VLLMDeployment
metadata:
  name: qwen
spec:
  model:
    uri: hf://Qwen/Qwen3-0.6B # vllm serve MODEL, jobs/qwen.sh:2
  engine:
    toolCallParser: hermes # --tool-call-parser, jobs/qwen.sh:2
  endpoint:
    port: 8001 # models.qwen.port, config.yaml:6
`,
  );
  const planned = await here.run('plan', '-f', 'imported/deployments/qwen.yaml', '--config', 'imported/operator.yaml');
  assert.match(planned.stdout, /^#SBATCH --account=ml$/m);
  assert.equal(planned.code, 0);
});

test('a dry run prints the files and writes nothing', async () => {
  await using here = workspace();
  writeFileSync(join(here.home, 'config.yaml'), CONFIG);
  const { code, stdout, stderr } = await here.run('import', 'config.yaml', '--dry-run');
  assert.equal(code, 0);
  assert.deepEqual(
    stdout.split('\n').filter((line) => line.startsWith('# ---')),
    ['# --- imported/operator.yaml', '# --- imported/deployments/qwen.yaml', '# --- imported/deployments/echo.yaml'],
  );
  assert.match(stderr, /^1 to look at:\n {2}config\.yaml:5: jobs\/qwen\.sh is not at hand: /m);
  assert.deepEqual(readdirSync(here.home).sort(), ['config.yaml', 'deployments', 'logs']);
});

test('the report for programs holds everything: files, carried, left, warnings, problems', async () => {
  await using here = workspace();
  writeFileSync(join(here.home, 'config.yaml'), CONFIG);
  const done = await here.run('import', 'config.yaml', '--format', 'json', '-o', 'out', '--model', 'echo');
  assert.deepEqual({ code: done.code, stderr: done.stderr }, { code: 0, stderr: '' });
  const report = JSON.parse(done.stdout);
  assert.deepEqual(Object.keys(report), [
    ...['format', 'output', 'deployments', 'files', 'carried', 'left', 'warnings', 'problems'],
  ]);
  assert.deepEqual([report.format, report.output], ['launch-scripts', join(here.home, 'out')]);
  assert.deepEqual(report.deployments, [
    { name: 'echo', model: 'echo', path: 'deployments/echo.yaml', suspended: false },
  ]);
  assert.deepEqual(report.carried[0], {
    key: 'logging.log_dir',
    file: 'config.yaml',
    line: 9,
    to: ['operator.yaml: logDirectory'],
  });
  assert.deepEqual(report.left.at(-1), {
    key: 'models.qwen',
    file: 'config.yaml',
    line: 3,
    why: 'another model was asked for',
  });
  const wrong = await here.runWithInput('', 'import', 'deployments', '--format', 'json');
  assert.deepEqual(wrong, {
    code: 1,
    stdout: '',
    stderr: 'error: deployments cannot be read: not a regular file\n',
  });
});

test('nothing that is there is overwritten, unless it is asked for', async () => {
  await using here = workspace();
  writeFileSync(join(here.home, 'config.yaml'), CONFIG);
  mkdirSync(join(here.home, 'out/deployments'), { recursive: true });
  writeFileSync(join(here.home, 'out/deployments/qwen.yaml'), 'mine\n');
  const refused = await here.run('import', 'config.yaml', '-o', 'out');
  assert.deepEqual(refused, {
    code: 1,
    stdout: '',
    stderr: `error: ${join(here.home, 'out/deployments/qwen.yaml')} exists already; --force replaces what is there\n`,
  });
  assert.deepEqual(filesIn(join(here.home, 'out')), ['deployments/qwen.yaml']);
  assert.equal(readFileSync(join(here.home, 'out/deployments/qwen.yaml'), 'utf8'), 'mine\n');
  const forced = await here.run('import', 'config.yaml', '-o', 'out', '--force');
  assert.equal(forced.code, 0);
  assert.deepEqual(filesIn(join(here.home, 'out')), [
    'deployments/echo.yaml',
    'deployments/qwen.yaml',
    'operator.yaml',
  ]);
  assert.match(readFileSync(join(here.home, 'out/deployments/qwen.yaml'), 'utf8'), /uri: hf:\/\/Qwen/);
});

test('what is wrong with a file is told with its lines, and nothing is written', async () => {
  await using here = workspace();
  const wrong = CONFIG.replace('8001', 'http').replace('active_model: qwen', 'active_model: qwne');
  writeFileSync(join(here.home, 'config.yaml'), wrong);
  const { code, stdout, stderr } = await here.run('import', 'config.yaml');
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
  assert.deepEqual(stderr.split('\n'), [
    'error: config.yaml:1: active_model is "qwne", and models has none of that name. Did you mean "qwen"?',
    'error: config.yaml:6: models.qwen.port must be a whole number, not "http"',
    'nothing is written',
    '',
  ]);
  for (const [name, bytes, message] of [
    ['latin.yaml', Buffer.from('models:\n  \xe4: 1\n', 'latin1'), 'latin.yaml:2: the text is not UTF-8'],
    [
      'big.yaml',
      Buffer.alloc(1024 * 1024 + 1, 'a'),
      'big.yaml is longer than 1024 KiB: it is none of the files that can be imported',
    ],
  ] as const) {
    writeFileSync(join(here.home, name), bytes);
    assert.deepEqual(await here.run('import', name), { code: 1, stdout: '', stderr: `error: ${message}\n` });
  }
  const missing = await here.run('import', 'nowhere.yaml');
  assert.equal(missing.stderr, 'error: nowhere.yaml cannot be read: no such file or directory\n');
  assert.deepEqual(readdirSync(here.home).sort(), ['big.yaml', 'config.yaml', 'deployments', 'latin.yaml', 'logs']);
});

test('job scripts that lie elsewhere are found where they are said to be', async () => {
  await using here = workspace();
  writeFileSync(join(here.home, 'config.yaml'), CONFIG);
  mkdirSync(join(here.home, 'old'));
  writeFileSync(join(here.home, 'old/qwen.sh'), SCRIPT);
  const { stdout } = await here.run('import', 'config.yaml', '--dry-run', '--scripts', 'old');
  assert.match(stdout, /toolCallParser: hermes # --tool-call-parser, jobs\/qwen\.sh:2/);
});
