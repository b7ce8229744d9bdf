import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/**
 * A small shell that starts programs for us, one at a time. A fork copies the page tables of its parent and this process
 * stands still meanwhile and until the program is loaded: 5 ms and more of a program that runs for 4, against 0.2 here.
 * Not by execa either, which spends more on a command than starting it takes.
 */
export type StandingShell = {
  /** One at a time. @param told is called once, when the program has ended or will not be heard any more */
  begin(request: Request, told: (end: ShellEnd) => void): Hearing;
  /** It has ended without being asked to; nothing can be begun. */
  hasEnded(): boolean;
  /** Ends it with everything it has started. */
  kill(): void;
  /**
   * It ends by itself once its stdin does. Nothing more of it is read or waited for, and what a program of its has left
   * running, as `ssh` its shared connection, runs on.
   */
  letGo(): void;
};

export type Request = {
  /** What has to be there, or nothing is started. */
  readonly program: string;
  /** All of the command line. */
  readonly words: readonly string[];
  readonly stdin: string | undefined;
  /** Of each of the two streams. */
  readonly maxOutputBytes: number;
  /** For a shell whose requests say until when they count, in its own words. */
  readonly expires?: string;
};

/** How a shell is started that understands `standing-shell.sh`'s requests. */
export type ShellStart = {
  readonly command: readonly [string, ...string[]];
  /** What it reads before the first request. */
  preamble(key: string): string;
  /** Of one that ended by itself: by what a program it ran was ended. */
  readonly endedBy: string;
};

export type ShellEnd =
  | { readonly how: 'exited'; readonly code: number }
  | { readonly how: 'killed'; readonly signal: string }
  | { readonly how: 'said too much'; readonly bytes: number }
  | { readonly how: 'not started'; readonly why: string };

export type Hearing = { stdout(): string; stderr(): string };

const PROGRAM = fileURLToPath(new URL('standing-shell.sh', import.meta.url));
/** Longer than any mark. */
const MARK_BYTES = 64;

const HERE: ShellStart = { command: ['/bin/sh', PROGRAM], preamble: (key) => `${key}\n`, endedBy: 'a signal' };

/** Does not throw: a shell that cannot be started says so in the end of what it is given. */
export function openShell(environment: Readonly<Record<string, string>>, how: ShellStart = HERE): StandingShell {
  const key = randomBytes(16).toString('hex');
  let ended: ShellEnd | undefined;
  let toldOfEnd: (end: ShellEnd) => void = () => undefined;

  const started = start(environment, how.command);
  const shell = started instanceof Error ? undefined : started;
  if (started instanceof Error) ended = { how: 'not started', why: started.message };
  shell?.on('error', (error) => finish({ how: 'not started', why: error.message }));
  shell?.on('close', (_code, signal) => finish({ how: 'killed', signal: signal ?? how.endedBy }));
  shell?.stdin?.on('error', () => undefined); // its end is told by `close`
  shell?.stdin?.write(how.preamble(key));

  function finish(end: ShellEnd): void {
    ended ??= end;
    toldOfEnd(ended);
  }

  return {
    begin({ program, words, stdin, maxOutputBytes, expires }, told) {
      // Nothing that runs can know it, and so print it.
      const tag = randomBytes(6).toString('hex');
      const settle = (end: ShellEnd): void => {
        toldOfEnd = () => undefined;
        for (const stream of [stdout, stderr]) stream.stop();
        hold(shell, false);
        told(end);
      };
      const tooMuch = (): void => settle({ how: 'said too much', bytes: maxOutputBytes });
      const marked = (): void => {
        const code = stdout.mark();
        if (code !== undefined && stderr.mark() !== undefined) settle(endOf(code, program));
      };
      const stdout = listen(shell?.stdout, tag, maxOutputBytes, marked, tooMuch);
      const stderr = listen(shell?.stderr, tag, maxOutputBytes, marked, tooMuch);
      toldOfEnd = settle;
      hold(shell, true);
      const lines = [program, ...words];
      const broken = lines.find((line) => line.includes('\n'));
      if (broken !== undefined) finish({ how: 'not started', why: `a line break in ${JSON.stringify(broken)}` });
      else if (ended) finish(ended);
      else {
        const bytes = stdin === undefined ? '-' : Buffer.byteLength(stdin);
        // The line break before it ends whatever a program left unread.
        const header = [key, tag, words.length, bytes, ...(expires === undefined ? [] : [expires])].join(' ');
        const request = `\n${header}\n${lines.join('\n')}\n${stdin ?? ''}`;
        shell?.stdin?.write(request);
      }
      return { stdout: stdout.text, stderr: stderr.text };
    },

    hasEnded: () => ended !== undefined,

    kill() {
      if (shell?.pid === undefined) return;
      try {
        process.kill(-shell.pid, 'SIGKILL');
      } catch {
        // Gone already.
      }
    },

    letGo() {
      for (const stream of [shell?.stdin, shell?.stdout, shell?.stderr]) stream?.destroy();
      shell?.unref();
    },
  };
}

function start(
  environment: Readonly<Record<string, string>>,
  [program, ...words]: ShellStart['command'],
): ChildProcess | Error {
  try {
    return spawn(program, words, {
      // `sbatch` notes the working directory for the job: one that exists on every node.
      cwd: '/',
      env: environment,
      // Its own process group, so that a deadline ends whatever the program started as well.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error)); // no memory for a process
  }
}

/** While a program runs this process waits for it; a shell with nothing to do holds nobody up. */
function hold(shell: ChildProcess | undefined, isHeld: boolean): void {
  for (const one of [shell, shell?.stdin, shell?.stdout, shell?.stderr])
    if (one instanceof Socket || one === shell) one?.[isHeld ? 'ref' : 'unref']();
}

function endOf(code: string, program: string): ShellEnd {
  if (code === 'absent') return { how: 'not started', why: `${program} is not there, or may not be run` };
  if (code === 'late') return { how: 'killed', signal: 'its deadline' };
  const number = Number(code);
  const signal = Object.entries(constants.signals).find(([, value]) => value === number - 128)?.[0];
  return signal === undefined ? { how: 'exited', code: number } : { how: 'killed', signal };
}

type Listening = {
  text(): string;
  /** What stands between the mark's tag and its end; undefined until then. */
  mark(): string | undefined;
  stop(): void;
};

/** Keeps so many bytes and no more. */
function listen(
  stream: Readable | null | undefined,
  tag: string,
  maxBytes: number,
  marked: () => void,
  tooMuch: () => void,
): Listening {
  const pattern = new RegExp(`\n@${tag} ([a-z0-9]+)@\n`);
  const chunks: Buffer[] = [];
  let bytes = 0;
  let tail = Buffer.alloc(0);
  let found: { readonly at: number; readonly word: string } | undefined;

  const take = (chunk: Buffer): void => {
    if (found) return; // of something that was left running
    if (bytes <= maxBytes) chunks.push(chunk);
    const near = Buffer.concat([tail, chunk]);
    const match = pattern.exec(near.toString('latin1'));
    if (match) found = { at: bytes - tail.length + match.index, word: match[1] ?? '' };
    bytes += chunk.length;
    tail = near.subarray(-MARK_BYTES);
    if ((found?.at ?? bytes - MARK_BYTES) > maxBytes) tooMuch();
    else if (found) marked();
  };
  stream?.on('data', take);

  return {
    text: () => new TextDecoder().decode(Buffer.concat(chunks).subarray(0, Math.min(maxBytes, found?.at ?? bytes))),
    mark: () => found?.word,
    stop: () => void stream?.off('data', take),
  };
}
