import { execa } from 'execa';
import type { Clock } from '../../clock.ts';
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
    const nothing = { program, stdout: '', stderr: '' };
    if (closed) return { ...nothing, end: { how: 'not started', why: 'closed' } };
    const [file = '', ...args] = commandLine(command, options);
    const child = execa(file, args, {
      // `sbatch` notes the working directory for the job: one that exists on every node.
      cwd: '/',
      env: { ...passedOn(options.environment), ...(options.commandPrefix.length === 0 && command.environment) },
      extendEnv: false,
      // Its own process group, so that a deadline ends whatever the program started as well.
      detached: true,
      reject: false,
      encoding: 'buffer',
      maxBuffer: options.maxOutputBytes,
      stripFinalNewline: false,
      ...(command.stdin === undefined ? { stdin: 'ignore' as const } : { input: command.stdin }),
    });
    let timedOut = false;
    let abandon = (): void => undefined;
    const abandoned = new Promise<undefined>((resolve) => {
      abandon = () => resolve(undefined);
    });
    let forget = (): void => undefined;
    const stop = (): void => {
      killGroup(child.pid);
      forget = options.clock.after(ABANDON_MS, abandon);
    };
    const disarm = options.clock.after(options.timeoutMs, () => {
      timedOut = true;
      stop();
    });
    stops.add(stop);
    try {
      const result = await Promise.race([child, abandoned]);
      if (result === undefined) {
        child.stdout?.destroy();
        child.stderr?.destroy();
        child.unref();
        return { ...nothing, end: { how: 'timed out', afterMs: options.timeoutMs } };
      }
      if (result.isMaxBuffer) killGroup(child.pid);
      return { program, end: ending(result, timedOut), stdout: decode(result.stdout), stderr: decode(result.stderr) };
    } finally {
      stops.delete(stop);
      disarm();
      forget();
    }
  }

  function ending(
    result: {
      readonly isMaxBuffer: boolean;
      readonly exitCode?: number | undefined;
      readonly signal?: string | undefined;
      readonly originalMessage?: string | undefined;
    },
    timedOut: boolean,
  ): Ran['end'] {
    if (timedOut) return { how: 'timed out', afterMs: options.timeoutMs };
    if (result.isMaxBuffer) return { how: 'said too much', bytes: options.maxOutputBytes };
    if (result.signal !== undefined) return { how: 'killed', signal: result.signal };
    if (result.exitCode !== undefined) return { how: 'exited', code: result.exitCode };
    return { how: 'not started', why: result.originalMessage ?? 'unknown cause' };
  }

  return {
    run,
    async close() {
      closed = true;
      for (const stop of stops) stop();
    },
  };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

const decode = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
