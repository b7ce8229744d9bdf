import assert from 'node:assert/strict';
import { chmod, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createFarLogs } from '../../src/ssh/far-logs.ts';
import { createFarSecrets } from '../../src/ssh/far-secrets.ts';
import { SSH, standInSsh } from './stand-in-ssh.ts';

const WORKS = `${SSH}\nexec sh -c "$last"`;
const FAILS = `${SSH}\necho "ssh: connect to host login1 port 22: No route to host" >&2; exit 255`;

async function logsOf(t: TestContext, ssh = WORKS) {
  const { programs, runner } = await standInSsh(t, ssh);
  const directory = join(programs.directory, 'the logs');
  await mkdir(directory);
  return { directory, logs: createFarLogs(runner) };
}

test('the end of a log begins with a whole line, and shows no secret that is known', async (t) => {
  const { directory, logs } = await logsOf(t);
  const file = join(directory, 'a.log');
  await writeFile(file, `${'x'.repeat(90)}\nover 9000 grüße to s3cr3t-value\n`);
  assert.equal(await logs.tail(file, 60, ['s3cr3t-value']), 'over 9000 grüße to [redacted]\n');
  assert.equal(await logs.tail(join(directory, 'none.log'), 60), undefined);
  await symlink(file, join(directory, 'link.log'));
  assert.equal(await logs.tail(join(directory, 'link.log'), 60), undefined);
  assert.equal(await logs.tail(directory, 60), undefined);
});

test('a log is read piece by piece, though characters are cut', async (t) => {
  const { directory, logs } = await logsOf(t);
  const file = join(directory, 'a.log');
  await writeFile(file, 'grüße');
  const log = await logs.open(file);
  const pieces = [await log.read(0, 3), await log.read(3, 100), await log.read(7, 100)].map((one) => Buffer.from(one));
  assert.equal(await log.size(), 7);
  assert.deepEqual(
    pieces.map(({ length }) => length),
    [3, 4, 0],
  );
  assert.equal(Buffer.concat(pieces).toString(), 'grüße');
  await assert.rejects(
    log.close().then(async () => (await logs.open(join(directory, 'none'))).size()),
    /is no file/,
  );
});

test('names are those that begin as asked; a directory that is not there is told', async (t) => {
  const { directory, logs } = await logsOf(t);
  for (const name of ['a.1', 'a.2', 'b.1']) await writeFile(join(directory, name), '');
  assert.deepEqual(await logs.names(directory, 'a.'), ['a.1', 'a.2']);
  await assert.rejects(logs.names(join(directory, 'none'), 'a.'), /none is no directory that can be read/);
  const made = join(directory, 'one', 'two');
  assert.deepEqual(await logs.lookAt(made), { ok: true, value: 'absent' });
  assert.equal(await logs.makeDirectory(made), undefined);
  assert.deepEqual(await logs.lookAt(made), { ok: true, value: 'writable' });
  assert.deepEqual(await logs.lookAt(join(directory, 'a.1', 'x')), { ok: true, value: 'unusable' });
});

test('without a connection that is what every call says, and a log has no end', async (t) => {
  const { directory, logs } = await logsOf(t, FAILS);
  assert.equal(await logs.tail(join(directory, 'a.log'), 60), undefined);
  await assert.rejects(logs.names(directory, 'a'), /no connection to login1: the network does not lead there/);
  assert.match((await logs.makeDirectory(directory)) ?? '', /no connection to login1/);
});

async function secretsOf(t: TestContext, ssh = WORKS) {
  const { programs, runner } = await standInSsh(t, ssh);
  const directory = join(programs.directory, 'secrets');
  const open = (owner = 'own') => createFarSecrets({ runner, directory, owner });
  return { directory, open };
}

test('a secret that was placed is read back, by another too, and is for this user alone', async (t) => {
  const { directory, open } = await secretsOf(t);
  assert.deepEqual(await open().write('a.token', 'hf_one'), { ok: true, value: undefined });
  assert.deepEqual(await open().write('a.token', 'hf_two'), { ok: true, value: undefined });
  assert.deepEqual(await open().read('a.token'), { ok: true, value: 'hf_two' });
  assert.deepEqual(await open('other').read('a.token'), { ok: true, value: undefined });
  assert.deepEqual(await open().names(), { ok: true, value: ['a.token'] });
  const modes = [directory, join(directory, 'own'), join(directory, 'own', 'a.token')].map(
    async (path) => (await stat(path)).mode & 0o777,
  );
  assert.deepEqual(await Promise.all(modes), [0o700, 0o700, 0o600]);
  assert.deepEqual(await open().remove('a.token'), { ok: true, value: undefined });
  assert.deepEqual(await open().remove('a.token'), { ok: true, value: undefined });
  assert.deepEqual(await open().names(), { ok: true, value: [] });
});

test('a place where others may write is refused, and no message holds the secret', async (t) => {
  const { directory, open } = await secretsOf(t);
  await mkdir(directory);
  await chmod(directory, 0o777);
  const written = await open().write('a.token', 'hf_secret_value');
  assert.match(written.ok ? '' : written.error, /others may write there: chmod 700 it/);
  assert.ok(!JSON.stringify(written).includes('hf_secret_value'));
  assert.deepEqual(await open().names(), { ok: true, value: [] });
});

test('without a connection a secret is not known to be missing', async (t) => {
  const { open } = await secretsOf(t, FAILS);
  const read = await open().read('a.token');
  assert.match(read.ok ? 'ok' : read.error, /no connection to login1/);
});
