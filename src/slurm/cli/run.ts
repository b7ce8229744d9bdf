import { execa } from 'execa';
import type { Clock } from '../../clock.ts';

/** One program of Slurm's to run. Every word is one that no shell would change: see `isPlainWord`. */
export type Command = {
  readonly program: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  /** Added to what is passed on from our own environment. */
  readonly environment?: Readonly<Record<string, string>>;
};

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

export type RunnerOptions = {
  readonly clock: Clock;
  /** Words before every command, such as `['ssh', 'login1']`. */
  readonly commandPrefix: readonly string[];
  /** Where Slurm's programs are; undefined: on PATH. */
  readonly binDirectory: string | undefined;
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

/**
 * All a program of Slurm's gets of our environment, and so all that `sbatch --export=ALL` could hand to a job. Left out
 * with intent: `SBATCH_*` overrides the script, `SQUEUE_*` and `SLURM_CLUSTERS` narrow a listing, secrets are nobody's.
 */
const PASSED_ON = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'LD_LIBRARY_PATH',
  'SLURM_CONF',
  'SLURM_CONF_SERVER',
  'SSH_AUTH_SOCK',
  'KRB5CCNAME',
] as const;

/** Behind a prefix the environment is another machine's: what would narrow or redirect a command there is taken away. */
const CLEARED_BEHIND_PREFIX = [
  'SLURM_CLUSTERS',
  'SQUEUE_ACCOUNT',
  'SQUEUE_LICENSES',
  'SQUEUE_NAMES',
  'SQUEUE_PARTITION',
  'SQUEUE_QOS',
  'SINFO_PARTITION',
  'SCANCEL_ACCOUNT',
  'SCANCEL_PARTITION',
  'SCANCEL_QOS',
  'SCANCEL_STATE',
] as const;

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

/** The same words reach the program directly and through a remote shell, which would split and read any others. */
export const isPlainWord = (word: string): boolean => /^[A-Za-z0-9_.,:=@%+/-]+$/.test(word);

function commandLine(command: Command, options: RunnerOptions): readonly string[] {
  const program = options.binDirectory === undefined ? command.program : `${options.binDirectory}/${command.program}`;
  const words = [program, ...command.args];
  const strange = words.slice(1).find((word) => !isPlainWord(word));
  if (strange !== undefined) throw new Error(`not a plain word: ${JSON.stringify(strange)}`);
  if (options.commandPrefix.length === 0) return words;
  const settings = Object.entries(command.environment ?? {}).map(([name, value]) => `${name}=${value}`);
  return [
    ...options.commandPrefix,
    'env',
    ...CLEARED_BEHIND_PREFIX.flatMap((name) => ['-u', name]),
    ...settings,
    ...words,
  ];
}

function passedOn(environment: RunnerOptions['environment']): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = environment[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
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
