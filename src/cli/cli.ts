import { setTimeout as delay } from 'node:timers/promises';
import { styleText } from 'node:util';
import { type Command, InvalidArgumentError } from 'commander';
import type { Clock } from '../clock.ts';
import type { Surroundings } from './settings/load.ts';

/** What scripts may rely on: 0 done, 1 not found or failed, 2 wrong usage or wrong settings, 130 ended by Ctrl-C. */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

export type Output = {
  write(text: string | Uint8Array, done?: () => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
};

/** The part of the process a command may touch: tests bring their own. */
export type Cli = Surroundings & {
  readonly clock: Clock;
  /** Data, and nothing else. */
  readonly stdout: Output;
  /** Everything said to a person. */
  readonly stderr: Output;
  /** Raised by Ctrl-C or SIGTERM. */
  readonly interrupted: AbortSignal;
  /** Sets the exit code; the process ends when its work is done. */
  readonly exit: (code: number) => void;
};

export function print(cli: Cli, text: string): void {
  cli.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

export function say(cli: Cli, text: string): void {
  cli.stderr.write(`${text}\n`);
}

/** As kubectl words it. @returns the exit code, for `return fail(…)` */
export function fail(cli: Cli, message: string, code: number = EXIT.failed): number {
  say(cli, `${paint(cli, cli.stderr, 'red', 'error:')} ${message}`);
  return code;
}

type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold';

/** Only on a terminal, and not against NO_COLOR (https://no-color.org). */
export function paint(cli: Cli, output: Output, colour: Colour, text: string): string {
  return wantsColour(cli, output) ? styleText(colour, text, { validateStream: false }) : text;
}

export function wantsColour(cli: Cli, output: Output): boolean {
  return output.isTTY === true && !cli.environment.NO_COLOR && cli.environment.TERM !== 'dumb';
}

/** @returns false when Ctrl-C came first */
export async function pause(cli: Cli, milliseconds: number): Promise<boolean> {
  try {
    await delay(milliseconds, undefined, { signal: cli.interrupted });
    return true;
  } catch {
    return false;
  }
}

/** Text of unknown origin for a terminal: no control character may move the cursor or set the title. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '');
}

/** Lines put below a command's help. */
export function examples(command: Command, lines: readonly (readonly [string, string])[]): Command {
  const width = Math.max(...lines.map(([line]) => line.length));
  return command.addHelpText(
    'after',
    `\nExamples:\n${lines.map(([line, meaning]) => `  ${line.padEnd(width)}  # ${meaning}`).join('\n')}`,
  );
}

/** An option's value: a whole number from `low`. */
export const wholeNumber =
  (low: number) =>
  (text: string): number => {
    if (!/^\d{1,9}$/.test(text) || Number(text) < low)
      throw new InvalidArgumentError(`Must be a whole number from ${low}.`);
    return Number(text);
  };
