import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { lstat, readdir, readFile, writeFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Abuse, abuses, LINES, legitimate } from './abuse.ts';
import { type AbuseGround, abuseGround, CANARY } from './ground.ts';

const FAR_SHELL = fileURLToPath(new URL('../../config/ssh/far-shell.sh', import.meta.url));
const KEY = '5e55';
const DENIED = '77';

async function ground(t: TestContext): Promise<AbuseGround> {
  const made = await abuseGround();
  t.after(made.remove);
  return made;
}

type Said = { readonly stdout: string; readonly stderr: string };

/** As sshd starts it for a key: whatever stdin holds, to its end. */
function forced(on: AbuseGround, stdin: string, environment: NodeJS.ProcessEnv = {}, shell = '/bin/sh'): Said {
  const { stdout, stderr, error } = spawnSync(shell, [FAR_SHELL, '--restricted', on.logs, on.secrets, on.bin], {
    input: Buffer.from(stdin),
    encoding: 'latin1',
    env: { PATH: process.env.PATH, ...environment },
    maxBuffer: 64 * 1024 * 1024,
    timeout: 120_000,
  });
  assert.equal(error, undefined);
  return { stdout, stderr };
}

function request({ words, stdin }: Abuse, tag: string): string {
  const bytes = stdin === undefined ? '-' : Buffer.byteLength(stdin);
  return `\n${KEY} ${tag} ${words.length} ${bytes} -\n${words[0] ?? ''}\n${words.map((word) => `${word}\n`).join('')}${stdin ?? ''}`;
}

const tagOf = (at: number): string => (at + 0x1000).toString(16);

function codes({ stdout }: Said): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...stdout.matchAll(/\n@([0-9a-f]+) (\w+)@\n/g)].map(([, tag = '', code = '']) => [tag, code]),
  );
}

/** What `/bin/sh` is, here and on other systems. */
const SHELLS = ['/bin/sh', '/bin/bash'].filter((shell) => existsSync(shell));

for (const shell of SHELLS)
  test(`of all that somebody with the restricted key might ask for, nothing runs, is read or written, by ${shell}`, async (t) => {
    const on = await ground(t);
    const corpus = abuses(on);
    assert.ok(corpus.length >= 100, String(corpus.length));
    // A word with a line break in it is two to the shell: each such request is sent by itself, for its end is elsewhere.
    const whole = corpus.filter(({ words }) => !words.some((word) => word.includes('\n')));
    const said = forced(on, `${KEY}\n${whole.map((one, at) => request(one, tagOf(at))).join('\n')}`, {}, shell);
    const answered = codes(said);
    assert.deepEqual(
      whole.flatMap(({ words }, at) =>
        answered[tagOf(at)] === DENIED ? [] : [[words.join(' ').slice(0, 200), answered[tagOf(at)]]],
      ),
      [],
    );
    const torn = corpus
      .filter((one) => !whole.includes(one))
      .map((one) => forced(on, `${KEY}\n${request(one, '01')}`, {}, shell));
    assert.deepEqual(
      torn.map((one) => codes(one)['01'] ?? DENIED).filter((code) => code !== DENIED),
      [],
    );
    assert.deepEqual(await on.ran(), []);
    assert.deepEqual(await on.outsiders(), ['canary']);
    assert.deepEqual((await readdir(on.secrets)).sort(), ['linked']);
    assert.ok(![said, ...torn].some(({ stdout, stderr }) => `${stdout}${stderr}`.includes(CANARY)));
  });

test('a secret is not reached through a link that leads elsewhere', async (t) => {
  const on = await ground(t);
  const place = [on.secrets, 'linked', 'canary'];
  const said = forced(
    on,
    [
      `${KEY}\n`,
      request({ words: ['vllm_secret_read', ...place] }, '01'),
      request({ words: ['vllm_secret_write', ...place], stdin: 'x' }, '02'),
      request({ words: ['vllm_secret_remove', ...place] }, '03'),
      request({ words: ['vllm_secret_names', on.secrets, 'linked'] }, '04'),
    ].join('\n'),
  );
  assert.deepEqual(codes(said), { '01': '73', '02': '73', '03': '73', '04': '73' });
  assert.equal(await readFile(join(on.outside, 'canary'), 'utf8'), CANARY);
  assert.ok(!said.stdout.includes(CANARY) && !said.stdout.includes('\ncanary'));
});

test('text that is no request is passed over, and what ssh was asked to run is never looked at', async (t) => {
  const on = await ground(t);
  for (const line of LINES) {
    const said = forced(on, `${KEY}\n${line.replaceAll('KEY', KEY)}\n`, { SSH_ORIGINAL_COMMAND: line });
    assert.deepEqual(codes(said), {}, JSON.stringify(line));
  }
  for (const key of ['', '$(touch_trace)', '*', '`touch_trace`', 'a b', '-n'])
    assert.deepEqual(forced(on, `${key}\n${key} 01 2 - -\nid\nid\n-un\n`), { stdout: '', stderr: '' }, key);
  assert.deepEqual(await on.ran(), []);
});

for (const shell of SHELLS)
  test(`all that the operator asks for runs with the restricted key, by ${shell}`, async (t) => {
    const on = await ground(t);
    const asked = legitimate(on);
    const said = forced(on, `${KEY}\n${asked.map((one, at) => request(one, tagOf(at))).join('\n')}`, {}, shell);
    assert.deepEqual(
      asked.map(({ words }, at) => [words.join(' '), codes(said)[tagOf(at)]]).filter(([, code]) => code !== '0'),
      [],
      said.stderr,
    );
    const programs = (await on.ran()).map((line) => line.split(' ')[0]?.split('/').at(-1));
    assert.deepEqual(programs, [
      ...['sinfo', 'sbatch', 'squeue', 'squeue', 'scancel', 'scancel', 'scontrol', 'scontrol', 'scontrol', 'scontrol'],
      ...['sinfo', 'sinfo', 'sacct', 'sacctmgr', 'sacctmgr', 'sacctmgr'],
    ]);
  });

test('without restriction it runs what it is told, and text sent along in front of it is read as its program', async (t) => {
  const on = await ground(t);
  const text = await readFile(FAR_SHELL, 'utf8');
  const input = `${KEY}\n${Buffer.byteLength(text)}\n${text}\n${request({ words: ['cat', '-'], stdin: 'a\nb' }, '01')}`;
  const bootstrap = 'IFS= read -r vllm_key; IFS= read -r bytes; eval "$(head -c "$bytes")"';
  const { stdout } = spawnSync('/bin/sh', ['-c', bootstrap], { input, encoding: 'utf8' });
  assert.equal(stdout, 'a\nb\n@01 0@\n');
  // With a forced command the same text is passed over.
  const { stdout: restricted } = forced(on, input);
  assert.equal(restricted, '\n@01 77@\n');
});

test('a request that comes too late is not begun, and one that outlasts its time is ended', async () => {
  const now = Math.floor(uptime());
  const late = `\n${KEY} 01 1 - ${now - 1}\ntrue\ntrue\n`;
  const long = `\n${KEY} 02 2 - ${now + 2}\nsleep\nsleep\n300\n`;
  const { stdout } = spawnSync('/bin/sh', [FAR_SHELL], { input: `${KEY}\n${late}${long}`, encoding: 'utf8' });
  assert.equal(stdout, '\n@01 late@\n\n@02 late@\n');
});

test('a secret is a file of this user alone, in a directory of this user alone, and is whole', async (t) => {
  const on = await ground(t);
  const place = [on.secrets, 'own', 'a.token'];
  const written = forced(on, `${KEY}\n${request({ words: ['vllm_secret_write', ...place], stdin: 'first\n' }, '01')}`);
  assert.deepEqual(codes(written), { '01': '0' });
  const said = forced(
    on,
    [
      `${KEY}\n`,
      request({ words: ['vllm_secret_write', ...place], stdin: 'second\n' }, '01'),
      request({ words: ['vllm_secret_read', ...place] }, '02'),
      request({ words: ['vllm_secret_names', on.secrets, 'own'] }, '03'),
      request({ words: ['vllm_secret_remove', ...place] }, '04'),
      request({ words: ['vllm_secret_read', ...place] }, '05'),
    ].join('\n'),
  );
  assert.equal(said.stdout, '\n@01 0@\nsecond\n\n@02 0@\na.token\n\n@03 0@\n\n@04 0@\n\n@05 44@\n');
  await forced(on, `${KEY}\n${request({ words: ['vllm_secret_write', ...place], stdin: 'x' }, '01')}`);
  assert.equal((await lstat(join(on.secrets, 'own', 'a.token'))).mode & 0o777, 0o600);
  assert.equal((await lstat(join(on.secrets, 'own'))).mode & 0o777, 0o700);
});

test('a log is read in bytes, from its end or from the middle, and only where it is a file', async (t) => {
  const on = await ground(t);
  await writeFile(join(on.logs, 'b.log'), 'grüße');
  const said = forced(
    on,
    [
      `${KEY}\n`,
      request({ words: ['vllm_log_piece', join(on.logs, 'b.log'), '2', '1'] }, '01'),
      request({ words: ['vllm_log_size', join(on.logs, 'b.log')] }, '02'),
      request({ words: ['vllm_log_names', on.logs, 'b'] }, '03'),
      request({ words: ['vllm_log_tail', join(on.logs, 'none.log'), '5'] }, '04'),
    ].join('\n'),
  );
  assert.equal(said.stdout, 'ww==\n\n@01 0@\n7\n\n@02 0@\nb.log\n\n@03 0@\n\n@04 66@\n');
});

test('it pleases shellcheck', { skip: spawnSync('shellcheck', ['--version']).error !== undefined }, () => {
  const { stdout, status } = spawnSync('shellcheck', [FAR_SHELL], { encoding: 'utf8' });
  assert.deepEqual([status, stdout], [0, '']);
});
