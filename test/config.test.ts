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
