import { createInterface } from 'node:readline/promises';
import type { Readable } from 'node:stream';
import { type Cli, EXIT, say } from '../cli.ts';
import { type Message, userMessage } from './messages.ts';

/** @returns the answer; the exit code when there is none */
type Ask = (messages: readonly Message[]) => Promise<string | number>;

/**
 * A conversation on the terminal: what was said is sent along with each question. Ends with Ctrl-D, Ctrl-C or `/exit`;
 * a question that fails is taken back, so that the next one can be asked.
 * @param input the terminal
 * @param first messages before the first question
 * @param images shown with the first question
 */
export async function chat(
  cli: Cli,
  input: Readable,
  first: readonly Message[],
  images: readonly string[],
  ask: Ask,
): Promise<number> {
  // The answers alone go to stdout.
  const output = cli.stderr.isTTY === true ? process.stderr : undefined;
  const lines = createInterface({ input, ...(output && { output, terminal: true }) });
  say(cli, 'Ctrl-D or /exit ends, /clear forgets what was said.');
  let messages = first;
  let shown = images;
  try {
    for (;;) {
      const question = await nextLine(lines, cli.interrupted);
      if (question === undefined || question === '/exit') return cli.interrupted.aborted ? EXIT.interrupted : EXIT.ok;
      if (question === '') continue;
      if (question === '/clear') {
        messages = first;
        shown = images;
        continue;
      }
      const asked = [...messages, userMessage(question, shown)];
      const answer = await ask(asked);
      if (answer === EXIT.interrupted) return answer;
      if (typeof answer === 'number') continue;
      messages = [...asked, { role: 'assistant', content: answer }];
      shown = [];
    }
  } finally {
    lines.close();
  }
}

/** @returns undefined at the end of input */
async function nextLine(
  lines: ReturnType<typeof createInterface>,
  interrupted: AbortSignal,
): Promise<string | undefined> {
  const ended = new AbortController();
  const end = () => ended.abort();
  lines.once('close', end);
  // Ctrl-C is readline's on a terminal.
  lines.once('SIGINT', end);
  try {
    return (await lines.question('> ', { signal: AbortSignal.any([interrupted, ended.signal]) })).trim();
  } catch {
    return undefined;
  } finally {
    lines.off('close', end).off('SIGINT', end);
  }
}
