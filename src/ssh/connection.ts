import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, steadyClock } from '../clock.ts';
import { err, ok, type Result } from '../result.ts';
import { openShell, type ShellStart, type StandingShell } from '../slurm/cli/standing-shell.ts';
import { BOOTSTRAP, preamble, type SshTarget, sshWords } from './command.ts';
import { explainFailure, sshFailure } from './failures.ts';
import { greet } from './greet.ts';

export type SshConnectionOptions = SshTarget & {
  /** What ssh gets of our environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** `config/ssh/far-shell.sh`. */
  readonly farShell: string;
  /** For the connection to stand, ms. */
  readonly connectMs: number;
  /** For spans of time. */
  readonly clock?: Clock;
  /** Default: `ssh` on PATH. */
  readonly program?: string;
};

/** One connection that many shells and forwarded ports go through. It is made when it is first needed, and again when it is lost. */
export type SshConnection = {
  readonly host: string;
  /** Words in front of those of a command that goes through it; why there is none, in words. Within `connectMs`. */
  ready(): Promise<Result<Through, string>>;
  /** It does not answer: the next one to ask gets a new one. */
  drop(through: Through): void;
  /** A shell over there, not yet greeted. */
  shell(through: Through): StandingShell;
  /** ssh itself, for what is no shell. @returns what it said */
  control(through: Through, words: readonly string[]): Promise<Result<void, string>>;
  /** For sockets; only our user comes there, and it goes with `close`. */
  directory(): Promise<string>;
  close(): Promise<void>;
};

export type Through = {
  /** It goes with what went through it; else what was made in it must be undone. */
  readonly isOurs: boolean;
  /** Ours, or that of a connection the person keeps open by the ssh configuration. */
  readonly words: readonly string[];
  hasEnded(): boolean;
  end(): void;
};

const FIRST_PAUSE_MS = 500;
/** One that stood this long was a good one: what ended it was something new. */
const STOOD_MS = 30_000;
const CONTROL_MS = 10_000;
/** With what ssh appends while it makes it, a socket's path has room for about 100 characters. */
const MAX_DIRECTORY = 60;

export function createSshConnection(options: SshConnectionOptions): SshConnection {
  const { host, environment, farShell, connectMs, clock = steadyClock, program = 'ssh' } = options;
  const front = sshWords(options, connectMs);
  let directory: Promise<string> | undefined;
  let standing: (Through & { readonly sinceMs: number }) | undefined;
  let connecting: Promise<Result<Through, string>> | undefined;
  let failures = 0;
  let closed = false;
  let last: { readonly words: string; readonly untilMs: number } | undefined;

  async function ready(): Promise<Result<Through, string>> {
    if (closed) return err('closed');
    if (standing && !standing.hasEnded()) return ok(standing);
    if (standing) lost(standing.sinceMs);
    if (last && clock.now() < last.untilMs)
      return err(`${last.words} (next try in ${Math.ceil((last.untilMs - clock.now()) / 1000)} s)`);
    connecting ??= connect().finally(() => {
      connecting = undefined;
    });
    return connecting;
  }

  /** The first loss is made good at once; of one that goes on being lost the reason is nowhere but over there. */
  function lost(sinceMs: number): void {
    standing = undefined;
    if (clock.now() - sinceMs >= STOOD_MS) failures = 0;
    else if (failures === 0) failures = 1;
    else pause(`the connection to ${host} was lost soon after it stood`, STOOD_MS);
  }

  function pause(words: string, atMostMs: number): void {
    failures += 1;
    last = { words, untilMs: clock.now() + Math.min(FIRST_PAUSE_MS * 2 ** failures, atMostMs) };
  }

  async function connect(): Promise<Result<Through, string>> {
    const made = (await hasOpen()) ? joined() : await opened();
    if (closed) {
      if (made.ok) made.value.end();
      return err('closed');
    }
    if (made.ok) {
      standing = { ...made.value, sinceMs: clock.now() };
      last = undefined;
      return ok(standing);
    }
    const words = explainFailure(host, made.error);
    pause(words, sshFailure(made.error).retryMs);
    return err(words);
  }

  /** The person keeps a connection open, perhaps because it took a second factor. */
  async function hasOpen(): Promise<boolean> {
    return (await call([...front, '-O', 'check', '--', host])).ok;
  }

  function joined(): Result<Through, string> {
    let ended = false;
    const end = (): void => {
      ended = true;
    };
    return ok({ isOurs: false, words: [...SHARING, ...front], hasEnded: () => ended, end });
  }

  async function opened(): Promise<Result<Through, string>> {
    const socket = join(await ownDirectory(), 'c');
    await rm(socket, { force: true });
    // Its own session is never used: it ends, and the connection with it, when this process does.
    const master = openShell(environment, start(['-M', '-S', socket, '-o', 'ClearAllForwardings=yes', ...front]));
    const greeted = await greet(master, clock, connectMs);
    let ended = false;
    const end = (): void => {
      ended = true;
      master.kill();
      master.letGo();
    };
    if (greeted.ok)
      return ok({
        isOurs: true,
        words: ['-S', socket, ...SHARING, ...front],
        hasEnded: () => ended || master.hasEnded(),
        end,
      });
    end();
    return err(greeted.error.words);
  }

  function ownDirectory(): Promise<string> {
    directory ??= mkdtemp(join(tmpdir().length > MAX_DIRECTORY ? '/tmp' : tmpdir(), 'vllm-slurm-ssh-'));
    return directory;
  }

  function start(words: readonly string[]): ShellStart {
    return {
      command: [program, ...words, '--', host, BOOTSTRAP],
      preamble: (key) => preamble(key, farShell),
      endedBy: `the end of the connection to ${host}`,
    };
  }

  function call(words: readonly string[]): Promise<Result<void, string>> {
    return new Promise((resolve) => {
      const settings = {
        env: environment,
        cwd: '/',
        timeout: CONTROL_MS,
        killSignal: 'SIGKILL',
        maxBuffer: 65_536,
      } as const;
      execFile(program, words, settings, (error, _stdout, stderr) =>
        resolve(error ? err(stderr.trim() || error.message) : ok(undefined)),
      );
    });
  }

  return {
    host,
    ready,
    drop(through) {
      through.end();
    },
    shell: (through) => openShell(environment, start(through.words)),
    control: (through, words) => call([...through.words, ...words, '--', host]),
    directory: ownDirectory,
    async close() {
      closed = true;
      standing?.end();
      standing = undefined;
      if (directory !== undefined) await rm(await directory, { recursive: true, force: true });
    },
  };
}

/** Through what stands, or not at all: without it ssh would quietly connect once more. */
const SHARING = ['-o', 'ControlMaster=no', '-o', 'ProxyCommand=false'];
