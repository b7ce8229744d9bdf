import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { flagLayer, SETTING_FIELDS } from '../src/cli/settings/layers.ts';
import { policyOf, Settings, siteOf } from '../src/config.ts';
import { DEFAULT_POLICY } from '../src/decide/policy.ts';

const FILE = readFileSync(new URL('../config/operator.yaml', import.meta.url), 'utf8');

test('config/operator.yaml says every default and nothing else', () => {
  assert.deepEqual(Settings.parse(parse(FILE)), Settings.parse({}));
});

test('what config/operator.yaml shows as a comment is a valid value', () => {
  const optional = SETTING_FIELDS.filter((field) => field.default === undefined);
  const given = new Map(optional.map((field) => [field.path, String(field.example)]));
  const { layer, problems } = flagLayer(given, (key) => key, '/');
  const { cluster, local, defaults } = Settings.parse(layer.values);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    [cluster.name, cluster.binDirectory, local.cpus, defaults],
    ['alps', '/opt/slurm/bin', 16, { account: 'my-project', partitions: [], qos: 'normal', time: '12:00:00' }],
  );
});

test('the patience of decisions comes from the settings, in ms', () => {
  const settings = Settings.parse({
    doubtWindowSeconds: 90,
    cluster: { timeoutSeconds: 45 },
    intervals: { tickSeconds: 3 },
  });
  assert.deepEqual(policyOf(settings), {
    ...DEFAULT_POLICY,
    tickMs: 3000,
    doubtWindowMs: 90_000,
    submitTimeoutMs: 45_000,
  });
});

test('what is not set is left out of what the site gives every job', () => {
  const settings = Settings.parse({
    logDirectory: '/shared/logs',
    secretDirectory: '/shared/secrets',
    portRange: '21000-22000',
    defaults: { account: 'a1' },
  });
  assert.deepEqual(siteOf(settings, ['/usr/bin/node', '/opt/stand-in.js']), {
    logDirectory: '/shared/logs',
    secretDirectory: '/shared/secrets',
    portRange: { low: 21_000, high: 22_000 },
    defaults: { partitions: [], account: 'a1' },
    hardware: {},
    standInCommand: ['/usr/bin/node', '/opt/stand-in.js'],
  });
});

test('a login node is a name, never an option of ssh, and the one way to the cluster', () => {
  const problems = (cluster: object) =>
    Settings.safeParse({ cluster }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];
  for (const host of ['login1', 'ada@login.example.org', '10.0.0.1', 'ada@[fd00::1]', '_gateway'])
    assert.deepEqual(problems({ ssh: { host } }), [], host);
  for (const host of ['-oProxyCommand=id', '', 'a b', 'a;id', '$(id)', 'a\nb', '../x'])
    assert.equal(problems({ ssh: { host } }).length, 1, host);
  assert.deepEqual(problems({ ssh: { host: 'login1', options: ['-F', 'Port=1\nHost x'] } }), [
    'cluster.ssh.options.0: must be NAME=VALUE, as of ssh -o',
    'cluster.ssh.options.1: must be NAME=VALUE, as of ssh -o',
  ]);
  assert.deepEqual(problems({ ssh: { host: 'login1' }, commandPrefix: ['ssh', 'login1'] }), [
    'cluster.commandPrefix: cluster.ssh.host leads to the cluster already: set one of the two',
  ]);
});

test('the doubt about a submission outlasts every cluster that is used, and is not held against one that is not', () => {
  const problems = (settings: object) =>
    Settings.safeParse({ doubtWindowSeconds: 20, ...settings }).error?.issues.map(({ path }) => path.join('.')) ?? [];
  const clusters = (seconds: number) => ({ clusters: [{ name: 'alps', timeoutSeconds: seconds }] });
  assert.deepEqual(
    [problems({}), problems(clusters(12)), problems(clusters(20))],
    [['doubtWindowSeconds'], [], ['doubtWindowSeconds']],
  );
});

test('users for namespaces need a token of the operator’s own, by which all their jobs are listed', () => {
  const problems = (rest: object) =>
    Settings.safeParse({ cluster: { type: 'rest', rest } }).error?.issues.map(
      ({ path, message }) => `${path.join('.')}: ${message}`,
    ) ?? [];
  const namespaceCredentials = { secretName: 'slurm-credentials' };
  assert.deepEqual(problems({ url: 'https://slurm.example.org', tokenFile: 'token', namespaceCredentials }), []);
  assert.deepEqual(problems({ socket: 'slurmrestd.socket', namespaceCredentials }), [
    'cluster.rest.namespaceCredentials: needs tokenFile: all jobs are listed by the operator’s own token',
  ]);
  assert.deepEqual(
    problems({ url: 'https://a', tokenFile: 'token', namespaceCredentials: { secretName: 'Not a name' } }),
    ['cluster.rest.namespaceCredentials.secretName: must be the name of a Secret'],
  );
});
