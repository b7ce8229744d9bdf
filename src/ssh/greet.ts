import { type Clock, withinMs } from '../clock.ts';
import { err, ok, type Result } from '../result.ts';
import type { ShellEnd, StandingShell } from '../slurm/cli/standing-shell.ts';

/** How far the clock over there is ahead, which counts from some moment of its own, ms; never more than it is, and less by a second and the way there at most. */
export type ClockAhead = number;

export type GreetingFailure = {
  /** What ssh said, and how it ended. */
  readonly words: string;
  readonly isLate: boolean;
};

const MAX_WORDS_BYTES = 65_536;

/** The first word with a shell over there: whatever a login prints is behind us then, and its clock is known. */
export async function greet(
  shell: StandingShell,
  clock: Clock,
  deadlineMs: number,
): Promise<Result<ClockAhead, GreetingFailure>> {
  const outcome = Promise.withResolvers<ShellEnd>();
  const hearing = shell.begin(
    { program: 'vllm_clock', words: ['vllm_clock'], stdin: undefined, maxOutputBytes: MAX_WORDS_BYTES, expires: '-' },
    outcome.resolve,
  );
  const end = await withinMs(clock, deadlineMs, outcome.promise);
  if (end === undefined) {
    const words = `${hearing.stderr()}\nit did not answer within ${deadlineMs / 1000} s`;
    return err({ words, isLate: true });
  }
  // A login may greet in front of it.
  const seconds = /(?:^|\n)(\d{1,12})\n?$/.exec(hearing.stdout())?.[1];
  if (end.how === 'exited' && end.code === 0 && seconds !== undefined) return ok(Number(seconds) * 1000 - clock.now());
  return err({ words: `${hearing.stderr()}\n${endWords(end)}`, isLate: false });
}

function endWords(end: ShellEnd): string {
  switch (end.how) {
    case 'not started':
      return end.why;
    case 'said too much':
      return 'it printed much and did not answer';
    case 'exited':
      return `it exited with ${end.code}`;
    case 'killed':
      return '';
  }
}
