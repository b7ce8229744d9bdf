import assert from 'node:assert/strict';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type FlagSettings, loadSettings, type Surroundings } from '../../../src/cli/settings/load.ts';
import { Settings } from '../../../src/config.ts';

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
