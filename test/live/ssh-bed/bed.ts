import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { until } from '../operator/until.ts';

export type SshBedOptions = {
  /** Of every session, as a site's profile would set it. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Of the one authorized key, `restrict,command="…"`. */
  readonly keyOptions?: string;
};

/** A real sshd on loopback, of this test alone: its own configuration, host key, user key and port. */
export type SshBed = {
  readonly directory: string;
  /** A name in `configFile`. */
  readonly host: string;
  readonly configFile: string;
  readonly port: number;
  /** Options of the authorized key from the next connection on. */
  setKeyOptions(keyOptions: string): Promise<void>;
  /** As after a new installation; known_hosts keeps the old one. */
  changeHostKey(): Promise<void>;
  /** Forgets the host, or knows it again as it is now. */
  setKnown(isKnown: boolean): Promise<void>;
  /** Another user key, which nobody authorized, or the right one. */
  setKeyRight(isRight: boolean): Promise<void>;
  /** Processes that serve connections, not the listener. */
  connections(): Promise<readonly number[]>;
  /** Nobody is let in any more, and who is in is put out; or it listens again. */
  setListening(isListening: boolean): Promise<void>;
  /** Freezes them, or lets them go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): Promise<void>;
  stop(): Promise<void>;
};

/** @returns the reason to skip; undefined in CI, where a skipped test would be no test */
export function whyNoSshBed(): string | undefined {
  if (process.env.CI) return undefined;
  if (process.getuid?.() !== 0) return 'a bed with sshd needs root';
  return existsSync('/etc/debian_version') ? undefined : 'a bed with sshd needs Debian packages';
}

const SSHD = '/usr/sbin/sshd';

export async function startSshBed({ environment = {}, keyOptions = '' }: SshBedOptions = {}): Promise<SshBed> {
  await install();
  const directory = await mkdtemp(join(tmpdir(), 'ssh-bed-'));
  const at = (name: string): string => join(directory, name);
  const port = await freePort();
  await mkdir('/run/sshd', { recursive: true });
  for (const name of ['host', 'user', 'stranger']) await makeKey(at(name));
  await writeFile(
    at('sshd_config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${at('host')}`,
      `AuthorizedKeysFile ${at('authorized_keys')}`,
      `PidFile ${at('sshd.pid')}`,
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'StrictModes no',
      'UsePAM no',
      'PrintMotd no',
      ...Object.entries(environment).map(([name, value]) => `SetEnv ${name}=${value}`),
      '',
    ].join('\n'),
  );
  const configFile = at('config');
  await writeFile(
    configFile,
    [
      'Host login1',
      '  HostName 127.0.0.1',
      `  Port ${port}`,
      '  User root',
      `  IdentityFile ${at('identity')}`,
      '  IdentitiesOnly yes',
      `  UserKnownHostsFile ${at('known_hosts')}`,
      '  GlobalKnownHostsFile /dev/null',
      '',
    ].join('\n'),
  );

  async function setKeyOptions(options: string): Promise<void> {
    const key = await readFile(at('user.pub'), 'utf8');
    await writeFile(at('authorized_keys'), `${options}${options === '' ? '' : ' '}${key}`, { mode: 0o600 });
  }
  async function setKnown(isKnown: boolean): Promise<void> {
    await writeFile(at('known_hosts'), isKnown ? `[127.0.0.1]:${port} ${await readFile(at('host.pub'), 'utf8')}` : '');
  }
  async function setKeyRight(isRight: boolean): Promise<void> {
    await rm(at('identity'), { force: true });
    await copyFile(at(isRight ? 'user' : 'stranger'), at('identity'));
  }

  let sshd: ChildProcess | undefined;
  async function listen(): Promise<void> {
    const log = at('sshd.log');
    await writeFile(log, '');
    // Should the test be killed, it is not left behind.
    const command = ['--pdeathsig', 'TERM', SSHD, '-D', '-f', at('sshd_config'), '-E', log];
    sshd = spawn('setpriv', command, { stdio: 'ignore' });
    await until('sshd listens', async () => /Server listening/.test(await readFile(log, 'utf8')) || undefined, 30_000);
  }
  async function unlisten(): Promise<void> {
    const ended = sshd && new Promise((resolve) => sshd?.once('exit', resolve));
    sshd?.kill('SIGTERM');
    await ended;
  }

  async function connections(): Promise<readonly number[]> {
    const found: number[] = [];
    for (const entry of await readdir('/proc')) {
      if (!/^\d+$/.test(entry)) continue;
      const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
      const [, comm, parent] = /^\d+ \((.*)\) \S (\d+)/.exec(stat) ?? [];
      if (comm === 'sshd' && Number(parent) === sshd?.pid) found.push(Number(entry));
    }
    return found;
  }

  await setKeyOptions(keyOptions);
  await setKnown(true);
  await setKeyRight(true);
  await listen();
  return {
    directory,
    host: 'login1',
    configFile,
    port,
    setKeyOptions,
    setKnown,
    setKeyRight,
    async changeHostKey() {
      await unlisten();
      await Promise.all(['host', 'host.pub'].map((name) => rm(at(name))));
      await makeKey(at('host'));
      await listen();
    },
    async setListening(isListening) {
      if (isListening) return listen();
      const inside = await connections();
      await unlisten();
      for (const pid of inside) end(pid);
    },
    connections,
    async signal(signal) {
      for (const pid of await connections()) process.kill(pid, signal);
    },
    async stop() {
      const left = await connections();
      await unlisten();
      for (const pid of left) end(pid);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

/** The package would start a daemon of the system's: it is told not to. */
async function install(): Promise<void> {
  if (existsSync(SSHD) && existsSync('/usr/bin/ssh-keygen')) return;
  const policy = '/usr/sbin/policy-rc.d';
  const isOurs = !existsSync(policy);
  if (isOurs) await writeFile(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await execa('apt-get', ['update', '-q'], { env, timeout: 300_000, stdin: 'ignore' });
    const packages = ['openssh-server', 'openssh-client'];
    await execa('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], {
      env,
      timeout: 300_000,
      stdin: 'ignore',
    });
  } finally {
    if (isOurs) await rm(policy, { force: true });
  }
}

async function makeKey(file: string): Promise<void> {
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file], { timeout: 30_000, stdin: 'ignore' });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
