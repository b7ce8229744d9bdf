import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Clock } from '../../clock.ts';
import { err, ok, type Result } from '../../result.ts';
import { type Command, commandLine, type Place, passedOn } from './command-line.ts';

export type Ran = {
  readonly program: string;
  readonly end:
    | { readonly how: 'exited'; readonly code: number }
    | { readonly how: 'killed'; readonly signal: string }
    | { readonly how: 'timed out'; readonly afterMs: number }
    | { readonly how: 'said too much'; readonly bytes: number }
    | { readonly how: 'not started'; readonly why: string };
  readonly stdout: string;
  readonly stderr: string;
};

export type RunnerOptions = Place & {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Of each of the two streams. */
  readonly maxOutputBytes: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

export type Runner = {
  /** Ends within the deadline and a moment, whatever the program does. Throws only at a word that is not plain: a bug. */
  run(command: Command): Promise<Ran>;
  /** Ends every command still running; later ones are not started. */
  close(): Promise<void>;
};

/** A killed program that still holds its pipes (a process stuck in the kernel) is waited for no longer than this. */
const ABANDON_MS = 2_000;

export function createRunner(options: RunnerOptions): Runner {
  const stops = new Set<() => void>();
  let closed = false;

  async function run(command: Command): Promise<Ran> {
    const { program } = command;
    if (closed) return { program, end: { how: 'not started', why: 'closed' }, stdout: '', stderr: '' };
    const started = start(command);
    if (!started.ok) return { program, end: started.error, stdout: '', stderr: '' };
    const child = started.value;
    const outcome = Promise.withResolvers<Ran['end']>();
    const streams = [child.stdout, child.stderr].map((stream) =>
      collect(stream, options.maxOutputBytes, () => {
        outcome.resolve({ how: 'said too much', bytes: options.maxOutputBytes });
        killGroup(child.pid);
      }),
    );
    let timedOut: Ran['end'] | undefined;
    let forget = (): void => undefined;
    const stop = (): void => {
      killGroup(child.pid);
      forget = options.clock.after(ABANDON_MS, () => outcome.resolve(timedOut ?? { how: 'killed', signal: 'SIGKILL' }));
    };
    const disarm = options.clock.after(options.timeoutMs, () => {
      timedOut = { how: 'timed out', afterMs: options.timeoutMs };
      stop();
    });
    stops.add(stop);
    child.on('error', (error) => outcome.resolve({ how: 'not started', why: error.message }));
    child.on('close', (code, signal) =>
      outcome.resolve(
        timedOut ?? (code === null ? { how: 'killed', signal: signal ?? 'a signal' } : { how: 'exited', code }),
      ),
    );
    child.stdin?.on('error', () => undefined); // it need not read what it is given
    child.stdin?.end(command.stdin);
    const end = await outcome.promise;
    stops.delete(stop);
    disarm();
    forget();
    const [stdout = '', stderr = ''] = streams.map((stream) => stream.text());
    letGo(child);
    return { program, end, stdout, stderr };
  }

  /**
   * Not by execa: for each command it spends more time than starting the process takes, which is felt when a thousand jobs
   * are submitted. A program that is not there is told by its `error`, a machine that has no memory for it here.
   */
  function start(command: Command): Result<ChildProcess, Ran['end']> {
    const [file = '', ...args] = commandLine(command, options);
    try {
      const child = spawn(file, args, {
        // `sbatch` notes the working directory for the job: one that exists on every node.
        cwd: '/',
        env: { ...passedOn(options.environment), ...(options.commandPrefix.length === 0 && command.environment) },
        // Its own process group, so that a deadline ends whatever the program started as well.
        detached: true,
        stdio: [command.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      });
      return ok(child);
    } catch (error) {
      return err({ how: 'not started', why: error instanceof Error ? error.message : String(error) });
    }
  }

  return {
    run,
    async close() {
      closed = true;
      for (const stop of stops) stop();
    },
  };
}

/** Nothing more of it is read or waited for, however long what it has started holds its pipes. */
function letGo(child: ChildProcess): void {
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
  child.unref();
}

/** Keeps so many bytes and no more; `tooMuch` is told when there are more. */
function collect(stream: Readable | null, maxBytes: number, tooMuch: () => void): { text(): string } {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (bytes < maxBytes) chunks.push(chunk.subarray(0, maxBytes - bytes));
    bytes += chunk.length;
    if (bytes > maxBytes) tooMuch();
  });
  return { text: () => new TextDecoder().decode(Buffer.concat(chunks)) };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
