import type { Clock } from '../../clock.ts';
import { type Command, commandLine, type Place, passedOn, programPath } from './command-line.ts';
import { openShell, type ShellEnd, type StandingShell } from './standing-shell.ts';

type End = ShellEnd | { readonly how: 'timed out'; readonly afterMs: number };

export type Ran = {
  readonly program: string;
  readonly end: End;
  readonly stdout: string;
  readonly stderr: string;
};

/** It ran to its end and says that all is well. */
export const wentWell = ({ end }: Pick<Ran, 'end'>): boolean => end.how === 'exited' && end.code === 0;

export type RunnerOptions = Place & {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Of each of the two streams. */
  readonly maxOutputBytes: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the programs are on another machine. Default: a shell of this one. */
  readonly openShell?: () => StandingShell;
};

export type Runner = {
  /** Ends within the deadline and a moment, whatever the program does. Throws only at a word that is not plain: a bug. */
  run(command: Command): Promise<Ran>;
  /** Ends every command still running; later ones are not started. */
  close(): Promise<void>;
};

/** A killed program that still holds its pipes (a process stuck in the kernel) is waited for no longer than this. */
const ABANDON_MS = 2_000;

/** As many shells as commands were ever run side by side: whoever uses this bounds that. */
export function createRunner(options: RunnerOptions): Runner {
  const { clock, timeoutMs, maxOutputBytes } = options;
  const environment = passedOn(options.environment);
  const idle: StandingShell[] = [];
  const stops = new Set<() => void>();
  let closed = false;

  async function run(command: Command): Promise<Ran> {
    const { program, stdin } = command;
    const words = commandLine(command, options);
    const needed = options.commandPrefix[0] ?? programPath(command, options);
    if (closed) return { program, end: { how: 'not started', why: 'closed' }, stdout: '', stderr: '' };
    const shell = standing();
    const outcome = Promise.withResolvers<End>();
    let timedOut: End | undefined;
    let forget = (): void => undefined;
    const stop = (): void => {
      shell.kill();
      forget = clock.after(ABANDON_MS, () => outcome.resolve(timedOut ?? { how: 'killed', signal: 'SIGKILL' }));
    };
    const disarm = clock.after(timeoutMs, () => {
      timedOut = { how: 'timed out', afterMs: timeoutMs };
      stop();
    });
    stops.add(stop);
    const hearing = shell.begin({ program: needed, words, stdin, maxOutputBytes }, (end) =>
      outcome.resolve(timedOut ?? end),
    );
    const end = await outcome.promise;
    stops.delete(stop);
    disarm();
    forget();
    const ranToItsEnd = end.how === 'exited';
    if (!ranToItsEnd) shell.kill();
    // One that failed may have left much of its stdin behind.
    if (ranToItsEnd && (end.code === 0 || stdin === undefined) && !closed) idle.push(shell);
    else shell.letGo();
    return { program, end, stdout: hearing.stdout(), stderr: hearing.stderr() };
  }

  /** One that somebody has ended meanwhile would leave a submission in doubt that never began. */
  function standing(): StandingShell {
    for (let shell = idle.pop(); shell; shell = idle.pop()) if (!shell.hasEnded()) return shell;
    return options.openShell?.() ?? openShell(environment);
  }

  return {
    run,
    async close() {
      closed = true;
      for (const stop of stops) stop();
      for (const shell of idle.splice(0)) shell.letGo();
    },
  };
}
