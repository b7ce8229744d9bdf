import assert from 'node:assert/strict';
import { appendFile, lstat, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { execa } from 'execa';
import { request } from 'undici';
import { agentOver } from '../../src/probe/way.ts';
import { createFarLogs } from '../../src/ssh/far-logs.ts';
import { createFarSecrets } from '../../src/ssh/far-secrets.ts';
import { createForwards } from '../../src/ssh/forwards.ts';
import { abuses, LINES } from '../ssh/abuse.ts';
import { abuseGround, CANARY } from '../ssh/ground.ts';
import { until } from './operator/until.ts';
import { type SshBed, startSshBed, whyNoSshBed } from './ssh-bed/bed.ts';
import { forced, openWire, type WireOptions } from './ssh-bed/wire.ts';

/** The connection itself, on a real sshd, with stand-ins for SLURM's programs. */

const SUBMISSION = { name: 'vllm.default.a.r0.a1', script: '#!/bin/sh\nexit 0\n' };
const SUBMITS = 'cat >/dev/null; echo 17';
const IDENTITY = { program: 'id', args: ['-un'], isTheirs: true } as const;

describe('one ssh connection', { skip: whyNoSshBed() ?? false }, () => {
  let bed: SshBed;
  before(async () => {
    bed = await startSshBed();
    await mkdir(join(bed.directory, 'bin'));
  });
  after(() => bed?.stop());

  async function program(name: string, body: string): Promise<void> {
    await writeFile(join(bed.directory, 'bin', name), `#!/bin/sh\nHERE=${bed.directory}\n${body}\n`, { mode: 0o755 });
  }
  const note = (name: string): Promise<string> => readFile(join(bed.directory, name), 'utf8').catch(() => '');
  const wire = (options: WireOptions = {}) => openWire(bed, { binDirectory: join(bed.directory, 'bin'), ...options });
  const noneLeft = () =>
    until('no connection is left', async () => (await bed.connections()).length === 0 || undefined);

  test('carries many commands side by side, and goes when it is closed', async () => {
    await program('sbatch', SUBMITS);
    await using on = closing(wire());
    const ids = await Promise.all(Array.from({ length: 20 }, () => on.slurm.submit(SUBMISSION)));
    assert.deepEqual(
      new Set(ids.map((one) => JSON.stringify(one))),
      new Set([JSON.stringify({ ok: true, value: '17' })]),
    );
    assert.equal((await bed.connections()).length, 1);
    const directory = await on.connection.directory();
    await on.close();
    await noneLeft();
    await assert.rejects(lstat(directory), { code: 'ENOENT' });
  });

  test('when it drops while a submission runs, its fate is unknown, what runs is ended in time, and the next command has a new one', async () => {
    await program('sbatch', 'echo $$ >$HERE/pid; exec sleep 300');
    await using on = closing(wire({ timeoutMs: 9_000 }));
    const submitted = on.slurm.submit(SUBMISSION);
    const pid = await until('it runs', async () => (await note('pid')).trim() || undefined);
    await bed.signal('SIGKILL');
    const answer = await submitted;
    assert.deepEqual([answer.ok, !answer.ok && answer.error.kind], [false, 'unknown']);
    assert.match(answer.ok ? '' : answer.error.message, /the end of the connection to login1/);
    await program('sbatch', SUBMITS);
    // A busy sshd may turn away the first that comes after such an end: then nothing was submitted.
    const next = await until('the next command is answered', async () => {
      const again = await on.slurm.submit(SUBMISSION);
      return again.ok || again.error.kind !== 'unreachable' ? again : undefined;
    });
    assert.deepEqual(next, { ok: true, value: '17' });
    await until('what ran is ended', async () => (await stateOf(pid)) === 'gone' || undefined);
  });

  test('when it is frozen nothing is begun after its time, however late it arrives, and a new one is made', async () => {
    await program('sbatch', `${SUBMITS}; date >>$HERE/late`);
    await using on = closing(wire({ timeoutMs: 6_000 }));
    assert.ok((await on.runner.run(IDENTITY)).end.how === 'exited');
    const [frozen] = await bed.connections();
    await bed.signal('SIGSTOP');
    const answer = await on.slurm.submit(SUBMISSION);
    assert.equal(!answer.ok && answer.error.kind, 'unknown');
    await until(
      'a command is answered again',
      async () => (await on.runner.run(IDENTITY)).end.how === 'exited' || undefined,
    );
    process.kill(Number(frozen), 'SIGCONT');
    await until('the frozen one is gone', async () => !(await bed.connections()).includes(Number(frozen)) || undefined);
    assert.equal(await note('late'), '');
  });

  test('a command that prints without end, or never ends, is ended over there and harms no other', async () => {
    await program('squeue', 'echo $$ >$HERE/pid; exec sleep 300');
    await program('sbatch', SUBMITS);
    await using on = closing(wire({ timeoutMs: 6_000 }));
    const [listing, submitted] = await Promise.all([on.slurm.listJobs(), on.slurm.submit(SUBMISSION)]);
    assert.deepEqual(submitted, { ok: true, value: '17' });
    assert.equal(!listing.ok && listing.error.kind, 'unknown');
    const pid = (await note('pid')).trim();
    await until('it is ended', async () => (await stateOf(pid)) === 'gone' || undefined);
  });

  const REFUSALS: Readonly<Record<string, readonly [() => Promise<void>, RegExp, WireOptions?]>> = {
    'a host key that is not known': [() => bed.setKnown(false), /host key is not known here.*No \S+ host key is known/],
    'a host key that has changed': [() => bed.changeHostKey(), /host key is another than the known one.*has changed/],
    'a key nobody authorized': [() => bed.setKeyRight(false), /lets nobody in.*Permission denied \(publickey\)/],
    'a key file that others may read': [
      async () => void (await execa('chmod', ['644', join(bed.directory, 'identity')])),
      /others may read or write.*(bad permissions|UNPROTECTED)/i,
    ],
    'a port where nobody listens': [
      async () => undefined,
      /nobody answers at that port.*refused/,
      { options: ['Port=1'] },
    ],
    'a name nobody knows': [async () => undefined, /no host of that name.*resolve/i, { host: 'no-such-host.invalid' }],
    'an option ssh does not know': [
      async () => undefined,
      /does not understand its configuration/,
      { options: ['Nonsense=1'] },
    ],
    'an account that lets nobody run anything': [
      () => bed.setKeyOptions('command="echo This account is not available; exit 1"'),
      /nothing there understood the operator/,
    ],
    'host keys that somebody would rather not check': [
      () => bed.setKnown(false),
      /host key is not known here/,
      { options: ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null'] },
    ],
  };
  for (const [what, [arrange, words, options = {}]] of Object.entries(REFUSALS)) {
    test(`${what}: unreachable, said in words, and nothing was sent`, async (t) => {
      await program('sbatch', `${SUBMITS}; date >>$HERE/sent`);
      t.after(async () => {
        await Promise.all([bed.setKnown(true), bed.setKeyRight(true), bed.setKeyOptions('')]);
      });
      await arrange();
      await using on = closing(wire(options));
      const answer = await on.slurm.submit(SUBMISSION);
      assert.equal(!answer.ok && answer.error.kind, 'unreachable', JSON.stringify(answer));
      assert.match(answer.ok ? '' : answer.error.message, words);
      const again = await on.slurm.submit(SUBMISSION);
      assert.match(again.ok ? '' : again.error.message, /next try in \d+ s/);
      assert.equal(await note('sent'), '');
    });
  }

  test('one that a person keeps open by hand is used, though the key alone would not do', async () => {
    const socket = join(bed.directory, 'by-hand');
    await appendFile(bed.configFile, `  ControlPath ${socket}\n`);
    const master = execa('ssh', ['-F', bed.configFile, '-M', '-N', 'login1'], { stdin: 'ignore', reject: false });
    await until('it stands', async () =>
      lstat(socket).then(
        () => true,
        () => undefined,
      ),
    );
    await bed.setKeyRight(false);
    await program('sbatch', SUBMITS);
    await using on = closing(wire());
    assert.deepEqual(await on.slurm.submit(SUBMISSION), { ok: true, value: '17' });
    assert.equal((await bed.connections()).length, 1);
    master.kill();
    await master;
    await bed.setKeyRight(true);
    await until('one of its own', async () => ((await on.slurm.submit(SUBMISSION)).ok ? true : undefined));
  });

  test('leads to what listens over there, a bounded number at a time, and to nothing where nobody does', async () => {
    await using on = closing(wire());
    const way = createForwards(on.connection, on.runner, 2);
    const agent = agentOver(way);
    const servers = await Promise.all(['a', 'b', 'c'].map(listening));
    try {
      for (const { port, name } of [...servers, ...servers]) {
        const { body } = await request(`http://127.0.0.1:${port}/`, { dispatcher: agent });
        assert.equal(await body.text(), name);
      }
      await assert.rejects(request('http://127.0.0.1:1/', { dispatcher: agent }));
      assert.equal(await way.isOpen(), true);
      assert.equal((await bed.connections()).length, 1);
    } finally {
      await agent.destroy();
      for (const { close } of servers) close();
    }
  });

  describe('with a restricted key', () => {
    test('logs are read and secrets placed, and nothing else', async (t) => {
      const on = await abuseGround();
      t.after(on.remove);
      await bed.setKeyOptions(forced('restrict', on.logs, on.secrets, on.bin));
      t.after(() => bed.setKeyOptions(''));
      await using to = closing(wire());
      const logs = createFarLogs(to.runner);
      await writeFile(join(on.logs, 'a.log'), `${'x'.repeat(200)}\ngrüße\n`);
      assert.equal(await logs.tail(join(on.logs, 'a.log'), 50), 'grüße\n');
      assert.deepEqual(await logs.names(on.logs, 'a'), ['a.log']);
      const log = await logs.open(join(on.logs, 'a.log'));
      assert.equal(await log.size(), 209);
      assert.equal(Buffer.from(await log.read(201, 5)).toString('latin1'), 'grÃ¼Ã'.slice(0, 5));
      assert.equal(await logs.tail(join(on.outside, 'canary'), 50), undefined);
      const secrets = createFarSecrets({ runner: to.runner, directory: on.secrets, owner: 'own' });
      assert.deepEqual(await secrets.write('a.token', 'hf_secret'), { ok: true, value: undefined });
      const fresh = createFarSecrets({ runner: to.runner, directory: on.secrets, owner: 'own' });
      assert.deepEqual(await fresh.read('a.token'), { ok: true, value: 'hf_secret' });
      assert.deepEqual(await fresh.read('b.token'), { ok: true, value: undefined });
      assert.deepEqual(await fresh.names(), { ok: true, value: ['a.token'] });
      assert.equal((await lstat(join(on.secrets, 'own', 'a.token'))).mode & 0o777, 0o600);
      assert.deepEqual(await fresh.remove('a.token'), { ok: true, value: undefined });
      assert.deepEqual(await fresh.names(), { ok: true, value: [] });
      const elsewhere = createFarSecrets({ runner: to.runner, directory: on.outside, owner: 'own' });
      assert.match(JSON.stringify(await elsewhere.write('a', 'hf_secret')), /this key does not allow the command/);
    });

    test('nothing that is sent through it runs, reads or writes anything outside', async (t) => {
      const on = await abuseGround();
      t.after(on.remove);
      await bed.setKeyOptions(forced('restrict', on.logs, on.secrets, on.bin));
      t.after(() => bed.setKeyOptions(''));
      const ssh = (args: readonly string[], input = '') =>
        execa('ssh', ['-F', bed.configFile, '-o', 'ControlPath=none', ...args], {
          input,
          reject: false,
          timeout: 60_000,
        });

      const key = '5e55';
      const requests = abuses(on).filter(({ words }) => !words.some((word) => word.includes('\n')));
      const text = requests.map(({ words, stdin }, at) => {
        const bytes = stdin === undefined ? '-' : Buffer.byteLength(stdin);
        return `\n${key} ${(at + 4096).toString(16)} ${words.length} ${bytes} -\n${words[0]}\n${words.join('\n')}\n${stdin ?? ''}`;
      });
      const sent = await ssh(['login1', 'exec /bin/sh'], `${key}\n${text.join('\n')}`);
      assert.deepEqual(
        [...sent.stdout.matchAll(/@[0-9a-f]+ (\w+)@/g)].map(([, code]) => code),
        requests.map(() => '77'),
      );

      const trace = `touch ${on.outside}/trace`;
      const commands = [
        trace,
        `sh -c '${trace}'`,
        `;${trace}`,
        `$(${trace})`,
        `x\n${trace}`,
        'scp -t /tmp',
        '/usr/lib/openssh/sftp-server',
        ...LINES,
      ];
      for (const command of commands) {
        const { stdout } = await ssh(['login1', command]);
        assert.equal(stdout, '', command);
      }
      const others = [
        await ssh(['-tt', 'login1', trace]),
        await ssh(['-s', 'login1', 'sftp']),
        await ssh(['-W', `127.0.0.1:${bed.port}`, 'login1']),
        await ssh(['-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:1', 'login1']),
        await ssh(['-o', `SetEnv=LD_PRELOAD=${on.outside}/x.so BASH_ENV=${on.outside}/canary`, 'login1', 'env']),
      ];
      assert.ok(!others.some(({ stdout }) => /SSH-2.0|LD_PRELOAD/.test(stdout)));
      assert.deepEqual([await on.ran(), await on.outsiders()], [[], ['canary']]);
      assert.ok(!JSON.stringify([sent, others]).includes(CANARY));
    });
  });
});

function closing<T extends { close(): Promise<void> }>(one: T): T & AsyncDisposable {
  return { ...one, [Symbol.asyncDispose]: () => one.close() };
}

async function stateOf(pid: string): Promise<'gone' | 'there'> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat === '' || / Z /.test(stat) ? 'gone' : 'there';
}

function listening(name: string): Promise<{ readonly name: string; readonly port: number; close(): void }> {
  const server = createServer((_request, response) => response.end(name));
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const close = (): void => {
        server.closeAllConnections();
        server.close();
      };
      resolve({ name, port: (server.address() as AddressInfo).port, close });
    });
  });
}
