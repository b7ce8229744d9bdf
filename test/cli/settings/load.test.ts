import assert from 'node:assert/strict';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type FlagSettings, loadSettings, type Surroundings } from '../../../src/cli/settings/load.ts';
import { eachCluster, Settings } from '../../../src/config.ts';

let home: string;
let here: string;
beforeEach(() => {
  home = mkdtempSync(path.join(os.tmpdir(), 'settings-'));
  here = path.join(home, 'here');
  mkdirSync(here);
});
afterEach(() => rmSync(home, { recursive: true }));

const around = (environment: Surroundings['environment'] = {}): Surroundings => ({
  environment,
  home,
  workingDirectory: here,
  userId: process.getuid?.(),
});
const flags = (values: Readonly<Record<string, string>> = {}, configFile?: string): FlagSettings => ({
  configFile,
  values: new Map(Object.entries(values)),
  spelling: (key) => `--set ${key}`,
});
const usualFile = (text: string) => {
  const file = path.join(home, '.config', 'vllm-slurm', 'operator.yaml');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
};

test('without any source every setting has its default, paths below the XDG state directory', () => {
  const state = path.join(home, '.local', 'state', 'vllm-slurm');
  const plain = Settings.parse({});
  assert.deepEqual(loadSettings(around(), flags()), {
    ok: true,
    value: {
      settings: {
        ...plain,
        directory: path.join(state, 'deployments'),
        logDirectory: path.join(state, 'logs'),
        secretDirectory: path.join(state, 'secrets'),
        local: { ...plain.local, directory: path.join(state, 'local') },
      },
      files: [],
      secrets: [],
    },
  });
});

test('file < .env < environment < flags, key by key', () => {
  const file = usualFile('local: { gpus: 1, cpus: 1 }\nlimits: { concurrency: 1, slurmCalls: 1 }\n');
  writeFileSync(
    path.join(here, '.env'),
    'VLLM_SLURM_LOCAL_CPUS=2\nVLLM_SLURM_LIMITS_CONCURRENCY=2\nVLLM_SLURM_LIMITS_SLURM_CALLS=2\n',
  );
  const loaded = loadSettings(
    around({ VLLM_SLURM_LIMITS_CONCURRENCY: '3', VLLM_SLURM_LIMITS_SLURM_CALLS: '3' }),
    flags({ 'limits.slurmCalls': '4' }),
  );
  assert.ok(loaded.ok);
  const { local, limits } = loaded.value.settings;
  assert.deepEqual([local.gpus, local.cpus, limits.concurrency, limits.slurmCalls], [1, 2, 3, 4]);
  assert.deepEqual(loaded.value.files, [file, path.join(here, '.env')]);
});

test('of the environment what is named for a secret is never printed, but for the settings, which are none', () => {
  const loaded = loadSettings(
    around({ VLLM_SLURM_SECRET_DIRECTORY: '/shared/secrets', MY_TOKEN: 'swordfish-1', SHORT_TOKEN: 'fish' }),
    flags(),
  );
  assert.deepEqual(loaded.ok && loaded.value.secrets, ['swordfish-1']);
});

test('relative paths count from the file they stand in, and from the working directory otherwise', () => {
  usualFile('directory: ../deployments\n');
  const loaded = loadSettings(around({ VLLM_SLURM_LOG_DIRECTORY: 'logs' }), flags({ 'local.directory': '~/jobs' }));
  assert.ok(loaded.ok);
  const { directory, logDirectory, local } = loaded.value.settings;
  assert.deepEqual(
    { directory, logDirectory, local: local.directory },
    {
      directory: path.join(home, '.config', 'deployments'),
      logDirectory: path.join(here, 'logs'),
      local: path.join(home, 'jobs'),
    },
  );
});

test('lists in a variable are separated by commas', () => {
  const loaded = loadSettings(around({ VLLM_SLURM_CLUSTER_COMMAND_PREFIX: 'ssh, login1' }), flags());
  assert.deepEqual(loaded.ok && loaded.value.settings.cluster.commandPrefix, ['ssh', 'login1']);
});

const WRONG: readonly (readonly [string, string, readonly { where: string; key: string; message: string }[]])[] = [
  [
    'a mistyped key',
    'log:\n  levle: debug\n',
    [{ where: 'FILE:2', key: 'log.levle', message: 'is no setting. Did you mean "level"?' }],
  ],
  [
    'two wrong values, both told',
    'log:\n  level: debug\nlimits:\n  concurrency: 0\nsuspectFraction: 7\n',
    [
      { where: 'FILE:4', key: 'limits.concurrency', message: 'Too small: expected number to be >=1' },
      { where: 'FILE:5', key: 'suspectFraction', message: 'Too big: expected number to be <=1' },
    ],
  ],
  [
    'a range that ends before it begins',
    'portRange: 30000-20000\n',
    [{ where: 'FILE:1', key: 'portRange', message: 'must lie within 1024-65535, the low end first' }],
  ],
  [
    'a doubt window shorter than a command may take',
    'cluster: { timeoutSeconds: 60 }\ndoubtWindowSeconds: 60\n',
    [
      {
        where: 'FILE:2',
        key: 'doubtWindowSeconds',
        message: 'must be longer than cluster.timeoutSeconds: a command that is still waiting may still submit',
      },
    ],
  ],
  ['a list instead of keys', '- 1\n', [{ where: 'FILE:1', key: '', message: 'must hold `key: value` lines' }]],
  [
    'a key said twice',
    'directory: a\ndirectory: b\n',
    [{ where: 'FILE:2', key: '', message: 'Map keys must be unique' }],
  ],
];
for (const [what, text, problems] of WRONG) {
  test(`${what} is refused with file, line, key and reason`, () => {
    const file = usualFile(text);
    assert.deepEqual(loadSettings(around(), flags()), {
      ok: false,
      error: problems.map((problem) => ({ ...problem, where: problem.where.replace('FILE', file) })),
    });
  });
}

test('a wrong variable and an unknown one are told by their names, together', () => {
  assert.deepEqual(loadSettings(around({ VLLM_SLURM_LOCAL_GPUS: 'two', VLLM_SLURM_LOG_LEVL: 'info' }), flags()), {
    ok: false,
    error: [
      { where: 'VLLM_SLURM_LOG_LEVL', key: '', message: 'is no setting. Did you mean "VLLM_SLURM_LOG_LEVEL"?' },
      { where: 'VLLM_SLURM_LOCAL_GPUS', key: 'local.gpus', message: 'Invalid input: expected number, received string' },
    ],
  });
});

test('a settings file that was named must be there', () => {
  assert.deepEqual(loadSettings(around(), flags({}, 'missing.yaml')), {
    ok: false,
    error: [{ where: path.join(here, 'missing.yaml'), key: '', message: 'there is no such file' }],
  });
});

test('a .env of another user is not believed, for settings can name programs to run', () => {
  const file = path.join(here, '.env');
  writeFileSync(file, 'VLLM_SLURM_CLUSTER_COMMAND_PREFIX=/tmp/evil\n');
  // Root's files are believed by everybody, so a test run by root gives its own away.
  if (process.getuid?.() === 0) chownSync(file, 4321, 4321);
  assert.deepEqual(loadSettings({ ...around(), userId: 1234 }, flags()), {
    ok: false,
    error: [
      { where: file, key: '', message: 'belongs to another user and is not trusted; start from another directory' },
    ],
  });
});

test('values of variables named for secrets are known, so that the log can leave them out', () => {
  writeFileSync(path.join(here, '.env'), 'HF_TOKEN=hf_from_dotenv\n');
  const loaded = loadSettings(around({ OTHER_API_KEY: 'from-environment', PATH: '/usr/bin' }), flags());
  assert.deepEqual(loaded.ok && loaded.value.secrets, ['hf_from_dotenv', 'from-environment']);
});

test('several clusters stand in a file, each with what is its own', () => {
  usualFile(`
defaults: {account: a1, time: 1:00:00}
clusters:
  - {name: alps, commandPrefix: [ssh, alps], defaults: {account: a2}, portRange: 21000-22000}
  - {name: jura, type: local, tickSeconds: 3, slurmCalls: 2, logDirectory: ../../logs}
`);
  const loaded = loadSettings(around(), flags());
  assert.ok(loaded.ok);
  const state = path.join(home, '.local', 'state', 'vllm-slurm');
  assert.deepEqual(
    eachCluster(loaded.value.settings).map((its) => [
      ...[its.cluster.name, its.cluster.type, its.defaults, its.portRange, its.intervals.tickSeconds],
      ...[its.limits.slurmCalls, its.logDirectory, its.secretDirectory, its.local.directory],
    ]),
    [
      [
        ...['alps', 'auto', { account: 'a2', partitions: [], time: '1:00:00' }, { low: 21_000, high: 22_000 }, 10, 4],
        ...[path.join(state, 'logs'), path.join(state, 'secrets'), path.join(state, 'local')],
      ],
      [
        ...['jura', 'local', { account: 'a1', partitions: [], time: '1:00:00' }, { low: 20_000, high: 30_000 }, 3, 2],
        ...[path.join(home, 'logs'), path.join(state, 'secrets', 'jura'), path.join(state, 'local', 'jura')],
      ],
    ],
  );
});

test('one cluster and several at once, a name twice, and a place for secrets that two share are told', () => {
  const problems = (text: string, given: Record<string, string> = {}) => {
    usualFile(text);
    const loaded = loadSettings(around(), flags(given));
    return loaded.ok ? [] : loaded.error.map(({ where, key, message }) => `${path.basename(where)} ${key}: ${message}`);
  };
  const both =
    'is for one cluster, and `clusters` lists several: say what it says in an item of the list, and leave it out';
  assert.deepEqual(problems('clusters: [{name: a}]\ncluster: {type: local}\n'), [
    `operator.yaml:2 cluster.type: ${both}`,
  ]);
  assert.deepEqual(problems('clusters: [{name: a}]\n', { 'cluster.type': 'local' }), [
    `--set cluster.type cluster.type: ${both}`,
  ]);
  assert.deepEqual(problems('clusters:\n- {name: a}\n- {name: a}\n'), [
    'operator.yaml:3 clusters.1.name: "a" is a cluster already',
  ]);
  assert.deepEqual(problems('clusters:\n- {name: a, secretDirectory: /s}\n- {name: b, secretDirectory: /s}\n'), [
    'operator.yaml:3 clusters.1.secretDirectory: is that of cluster a already, and each removes what is not its own',
  ]);
});
