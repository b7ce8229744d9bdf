import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { jobsOf } from './local-jobs.ts';
import { workspace } from './workspace.ts';

const TOKEN = 'canary-of-the-token-9f3b';
const KEY = 'canary-of-the-key-77ac';
const NEW_KEY = 'canary-of-the-new-key-1d';

const SETTINGS = [
  ...['--set', 'intervals.tickSeconds=1', '--set', 'intervals.sweepSeconds=10'],
  ...['--set', 'local.cpus=4', '--set', 'local.directory=cluster', '--set', 'secretDirectory=secrets'],
];

test('a key protects the endpoint, the operator knows it, and neither it nor the token is in anything that is written', async () => {
  await using here = workspace();
  await using _jobs = jobsOf(here);
  const sources = path.join(here.home, 'sources');
  mkdirSync(sources, { mode: 0o700 });
  const source = (name: string, secret: string): string => {
    const file = path.join(sources, name);
    writeFileSync(file, `${secret}\n`, { mode: 0o600 });
    return file;
  };
  const apiKeyFrom = { file: source('key', KEY) };
  const spec = {
    model: { uri: 'hf://example/echo', tokenFrom: { file: source('token', TOKEN) } },
    resources: { gpusPerNode: 0 },
    engine: { type: 'stand-in' },
    endpoint: { apiKeyFrom },
  };
  here.write(
    'echo.yaml',
    JSON.stringify({
      apiVersion: 'vllm-slurm.dev/v1alpha1',
      kind: 'VLLMDeployment',
      metadata: { name: 'echo' },
      spec,
    }),
  );
  const operator = here.start('run', ...SETTINGS, '--log-level', 'trace');
  const ready = await here.run('wait', 'echo', '--for=condition=Ready', '--timeout', '55s');
  assert.deepEqual([ready.code, operator.child.exitCode], [0, null], operator.stderr());

  const { status } = JSON.parse((await here.run('get', 'echo', '-o', 'json')).stdout);
  assert.deepEqual((await fetch(`${status.url}/v1/models`)).status, 401);
  const answer = await here.run('query', 'echo', 'Hello', '--max-tokens', '8', ...SETTINGS);
  assert.deepEqual({ code: answer.code, stderr: answer.stderr }, { code: 0, stderr: '' });

  // What runs keeps the key it was started with; the person has to know that too.
  source('key', NEW_KEY);
  const refused = await here.run('query', 'echo', 'Hello', ...SETTINGS);
  assert.match(refused.stderr, /refuses the key \(not the one its job was started with\)/);

  const said = [
    operator.stdout(),
    operator.stderr(),
    refused.stderr,
    ...(await Promise.all([
      here.run('describe', 'echo'),
      here.run('get', 'echo', '-o', 'yaml'),
      here.run('logs', 'echo'),
      here.run('plan', '-f', 'deployments/echo.yaml', ...SETTINGS),
      here.run('render', '-f', 'deployments/echo.yaml', ...SETTINGS),
    ]).then((all) => all.map(({ stdout, stderr }) => `${stdout}${stderr}`))),
    ...processes(),
  ];
  assert.deepEqual(
    said.filter((text) => /canary-of-the/.test(text)),
    [],
  );
  const holding = files(here.home).filter((file) => readFileSync(file, 'latin1').includes('canary-of-the'));
  const placed = path.join(here.home, 'secrets');
  assert.deepEqual(
    holding.map((file) => path.relative(here.home, file).replace(/test-store|uid-[\w-]+|[0-9a-f-]{36}/g, 'X')).sort(),
    [
      'secrets/X/vllm.default.echo.r0.a1.X.api-key',
      'secrets/X/vllm.default.echo.r0.a1.X.hf-token',
      'sources/key',
      'sources/token',
    ],
  );
  assert.deepEqual(
    files(placed).map((file) => (statSync(file).mode & 0o777).toString(8)),
    ['600', '600'],
  );

  assert.equal((await here.run('delete', 'echo', '--wait', '--timeout', '55s')).code, 0);
  assert.deepEqual(files(placed), []);
  operator.child.kill('SIGINT');
  assert.equal((await operator.finished).code, 0);
});

/** What everybody can see of every process. */
function processes(): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => read(`/proc/${pid}/cmdline`));
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // it ended
  }
}

function files(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}
