import { type Clock, steadyClock } from '../clock.ts';
import { err, ok, type Result } from '../result.ts';
import type { Hearing, ShellEnd, StandingShell } from '../slurm/cli/standing-shell.ts';
import type { SshConnection } from './connection.ts';
import { explainFailure } from './failures.ts';
import { greet } from './greet.ts';

export type FarShellOptions = {
  readonly connection: SshConnection;
  /** For one command, ms: nothing is begun over there after it, however late it arrives, and what runs is ended. */
  readonly timeoutMs: number;
  /** For spans of time. */
  readonly clock?: Clock;
};

type Greeted = { readonly shell: StandingShell; readonly aheadMs: number };

/** A shell over there. Until it has answered once nothing is sent, so that what fails before was never begun. */
export function openFarShell({ connection, timeoutMs, clock = steadyClock }: FarShellOptions): StandingShell {
  const openMs = (timeoutMs * 2) / 3;
  let greeted: Greeted | undefined;
  let opening: StandingShell | undefined;
  let ended: ShellEnd | undefined;
  let giveUp: (end: ShellEnd) => void = () => undefined;

  async function open(): Promise<Result<Greeted, string>> {
    const byMs = clock.now() + openMs;
    const through = await connection.ready();
    if (!through.ok) return through;
    const shell = connection.shell(through.value);
    opening = shell;
    const answer = await greet(shell, clock, Math.max(1, byMs - clock.now()));
    if (answer.ok) return ok({ shell, aheadMs: answer.value });
    shell.kill();
    shell.letGo();
    // It holds the connection and hears nothing of it, or somebody else's has gone.
    if (answer.error.isLate || !/session open refused/i.test(answer.error.words)) connection.drop(through.value);
    return err(explainFailure(connection.host, answer.error.words));
  }

  function fail(end: ShellEnd): void {
    ended ??= end;
    giveUp(ended);
  }

  return {
    begin(request, told) {
      const expiresMs = clock.now() + timeoutMs;
      const on = ({ shell, aheadMs }: Greeted): Hearing =>
        shell.begin({ ...request, expires: String(Math.floor((expiresMs + aheadMs) / 1000)) }, told);
      if (greeted) return on(greeted);
      let hearing: Hearing | undefined;
      giveUp = (end) => {
        giveUp = () => undefined;
        told(end);
      };
      void open().then((opened) => {
        if (!opened.ok) return fail({ how: 'not started', why: opened.error });
        greeted = opened.value;
        if (ended) {
          greeted.shell.kill();
          return greeted.shell.letGo();
        }
        giveUp = () => undefined;
        hearing = on(greeted);
      });
      return { stdout: () => hearing?.stdout() ?? '', stderr: () => hearing?.stderr() ?? '' };
    },
    hasEnded: () => ended !== undefined || (greeted?.shell.hasEnded() ?? false),
    kill() {
      const shell = greeted?.shell ?? opening;
      shell?.kill();
      if (!greeted) fail({ how: 'not started', why: `ended before ${connection.host} had answered` });
    },
    letGo() {
      (greeted?.shell ?? opening)?.letGo();
    },
  };
}
