import { CommanderError } from 'commander';
import type { Cli } from '../../src/cli/cli.ts';
import { withSettings } from '../../src/cli/global-options.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { systemClock } from '../../src/clock.ts';

/**
 * What the program would say against a command line; nothing of it is done.
 * @param argv without the program's own name
 * @returns undefined where every command, flag and setting exists
 */
export async function usageError(argv: readonly string[]): Promise<string | undefined> {
  const said: string[] = [];
  const cli = onPaper((text) => said.push(text));
  const program = buildProgram(cli);
  for (const command of program.commands) {
    command.exitOverride().action(async (...given: readonly unknown[]) => {
      const self = given.at(-1) as typeof command;
      // A settings file that a document only speaks of is not there to be read.
      if (self.optsWithGlobals().config === undefined) await withSettings(cli, self, async () => 0);
    });
  }
  try {
    await program.exitOverride().parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) said.push(error.message);
  }
  return said.length === 0 ? undefined : said.join('').trim();
}

function onPaper(write: (text: string) => void): Cli {
  return {
    environment: {},
    home: '/nonexistent',
    workingDirectory: '/nonexistent',
    userId: undefined,
    clock: systemClock,
    stdout: { write: () => true, columns: 100 },
    stderr: { write: (text) => write(String(text)) },
    interrupted: new AbortController().signal,
    exit: () => undefined,
  };
}
