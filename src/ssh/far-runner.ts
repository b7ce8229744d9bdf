import { type Clock, steadyClock } from '../clock.ts';
import { createTurnstile } from '../probe/turnstile.ts';
import { createRunner, type Ran, type Runner, type RunnerOptions } from '../slurm/cli/run.ts';
import type { SshConnection } from './connection.ts';
import { openFarShell } from './far-shell.ts';

/** With the connection's own, below what sshd grants a connection unasked (MaxSessions 10). */
const ABREAST = 7;

/** Runs commands over there, several at a time over the one connection; the others wait their turn. */
export function createFarRunner(
  options: Omit<RunnerOptions, 'commandPrefix' | 'openShell'> & {
    readonly connection: SshConnection;
    /** For spans of time. */
    readonly spans?: Clock;
  },
): Runner {
  const { connection, timeoutMs, spans = steadyClock } = options;
  const openShell = () => openFarShell({ connection, timeoutMs, clock: spans });
  const runner = createRunner({ ...options, commandPrefix: [], openShell });
  const turnstile = createTurnstile(ABREAST);
  return {
    run(command) {
      const latestMs = spans.now() + timeoutMs / 2;
      return turnstile.pass(async (): Promise<Ran> => {
        if (spans.now() <= latestMs) return runner.run(command);
        // A submission that begins much later than it was asked for lands later than anybody waits for it.
        const why = 'too many commands were before it on the connection';
        return { program: command.program, end: { how: 'not started', why }, stdout: '', stderr: '' };
      });
    },
    close: runner.close,
  };
}
