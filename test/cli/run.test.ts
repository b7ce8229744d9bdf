import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { jobsOf } from './local-jobs.ts';
import { workspace } from './workspace.ts';

const STAND_IN = `apiVersion: vllm-slurm.dev/v1alpha1
kind: VLLMDeployment
metadata: { name: echo }
spec:
  model: { uri: hf://example/echo }
  resources: { gpusPerNode: 0 }
  engine: { type: stand-in }
`;
const SETTINGS = ['--set', 'intervals.tickSeconds=1', '--set', 'local.cpus=4', '--set', 'local.directory=cluster'];

test('run brings a file to an answering endpoint, ends in good order, finds its job again, and delete leaves nothing', async () => {
  await using here = workspace();
  await using _jobs = jobsOf(here);
  here.write('echo.yaml', STAND_IN);
  const first = here.start('run', ...SETTINGS);
  await first.says('stderr', 'cluster.type is local');
  await first.says('stderr', '"Submitted"');
  assert.equal((await here.run('wait', 'echo', '--for=condition=Ready', '--timeout', '55s')).code, 0);
  const answer = await here.run('query', 'echo', 'Hello', '--max-tokens', '8');
  assert.deepEqual({ code: answer.code, stderr: answer.stderr }, { code: 0, stderr: '' });
  assert.match(answer.stdout, /stand-in/);
  first.child.kill('SIGTERM');
  assert.equal((await first.finished).code, 0);

  const second = here.start('run', ...SETTINGS);
  await second.says('stderr', 'SLURM answers');
  assert.equal((await here.run('wait', 'echo', '--for=condition=Ready', '--timeout', '55s')).code, 0);
  assert.deepEqual(readdirSync(path.join(here.home, 'cluster', 'jobs')), ['1']);
  assert.equal((await here.run('delete', 'echo', '--wait', '--timeout', '55s')).code, 0);
  second.child.kill('SIGINT');
  const ended = await second.finished;
  assert.deepEqual({ code: ended.code, stdout: ended.stdout }, { code: 0, stdout: '' });
});

test('two operators on one directory: the second is refused and says who works there', async () => {
  await using here = workspace();
  await here.serve();
  const { code, stdout, stderr } = await here.run('run', ...SETTINGS);
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
  assert.match(stderr, new RegExp(`error: \\S+ is served by another controller already: process ${process.pid} `));
});

test('users for namespaces are refused where they cannot be: by SLURM’s commands, and on a directory', async () => {
  await using here = workspace();
  const secret = [
    '--set',
    'cluster.rest.namespaceCredentials.secretName=slurm',
    '--set',
    'cluster.rest.tokenFile=token',
  ];
  const local = await here.run('run', ...SETTINGS, ...secret);
  assert.deepEqual([local.code, local.stdout], [1, '']);
  assert.match(
    local.stderr,
    /error: cluster\.rest\.namespaceCredentials needs cluster\.type rest: by SLURM’s commands/,
  );
  const rest = ['--cluster', 'rest', '--set', 'cluster.rest.url=http://127.0.0.1:1'];
  const standalone = await here.run('run', ...rest, ...secret);
  assert.equal(standalone.code, 1);
  assert.match(
    standalone.stderr,
    /error: rest\.namespaceCredentials needs Kubernetes: on a directory there are no Secrets/,
  );
});

test('a standalone operator tells metrics and probes where it is asked to, and nowhere unasked', async () => {
  await using here = workspace();
  await using _jobs = jobsOf(here);
  const anywhere = '127.0.0.1:0';
  const told = here.start(
    ...['run', ...SETTINGS, '--log-format=json'],
    ...['--metrics-bind-address', anywhere, '--health-probe-bind-address', anywhere],
  );
  await told.says('stderr', '"metrics and probes answer"');
  const at = /"metrics":"(127\.0\.0\.1:\d+)"/.exec(told.stderr())?.[1];
  const ready = await fetch(`http://${at}/readyz`);
  assert.deepEqual([ready.status, await ready.text()], [200, '[+]store ok\nok\n']);
  await told.says('stderr', 'SLURM answers');
  const metrics = await fetch(`http://${at}/metrics`);
  assert.match(
    await metrics.text(),
    /^vllm_slurm_call_duration_seconds_count\{cluster="local",call="listJobs",result="ok"\} [1-9]/m,
  );
  told.child.kill('SIGTERM');
  assert.equal((await told.finished).code, 0);

  const silent = here.start('run', ...SETTINGS);
  await silent.says('stderr', 'SLURM answers');
  assert.doesNotMatch(silent.stderr(), /metrics and probes answer/);
  silent.child.kill('SIGTERM');
  assert.equal((await silent.finished).code, 0);
});

test('Kubernetes mode says what it lacks: a kubeconfig, a context, a connection that nobody can listen to', async () => {
  await using here = workspace();
  const run = async (...args: readonly string[]) => {
    const { code, stderr } = await here.run('run', '--kubernetes', ...SETTINGS, ...args, '--log-level=silent');
    return [code, stderr.trim()];
  };
  const missing = path.join(here.home, 'missing');
  const [code, words] = await run('--kubeconfig', missing);
  assert.equal(code, 1);
  assert.match(String(words), /^error: the kubeconfig cannot be read: .*missing/);
  here.write(
    'kubeconfig',
    JSON.stringify({
      clusters: [{ name: 'open', cluster: { server: 'http://10.0.0.1:8080' } }],
      users: [{ name: 'me', user: { token: 'secret' } }],
      contexts: [{ name: 'open', context: { cluster: 'open', user: 'me' } }],
      'current-context': 'open',
    }),
  );
  const kubeconfig = ['--kubeconfig', path.join(here.directory, 'kubeconfig')];
  assert.deepEqual(await run(...kubeconfig), [
    1,
    'error: http://10.0.0.1:8080 is not https: credentials are not sent over an open connection',
  ]);
  assert.deepEqual(await run(...kubeconfig, '--set', 'kubernetes.context=none'), [
    1,
    'error: the kubeconfig has no context none',
  ]);
});

test('flags of other controllers are known, and a wrong value is told by the flag', async () => {
  await using here = workspace();
  const { code, stderr } = await here.run(
    ...['run', '--kubernetes', '--watch-namespace', 'team-a,Team_B', '--leader-elect', 'perhaps'],
    ...['--metrics-bind-address', '8080'],
  );
  assert.equal(code, 2);
  for (const line of [
    /--watch-namespace: kubernetes\.watchNamespaces\.1: must be at most 63 lower-case letters, digits and -/,
    /--leader-elect: kubernetes\.leaderElect: Invalid input: expected boolean, received string/,
    /--metrics-bind-address: metricsBindAddress: must be HOST:PORT, :PORT, or 0 for none/,
  ])
    assert.match(stderr, line);
});

test('commands that look into a directory send people to kubectl where deployments are in Kubernetes', async () => {
  await using here = workspace();
  const { code, stdout, stderr } = await here.run('get', '--set', 'store=kubernetes');
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /^error: the setting store is kubernetes: use kubectl for its deployments/);
});
