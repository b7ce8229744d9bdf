import { z } from 'zod';
import { type Cli, fail, print, printable } from '../cli.ts';
import { serverSentEvents } from '../server-sent-events.ts';

const text = z.string().nullish();
const Chunk = z.object({
  choices: z.array(z.object({ delta: z.object({ content: text, reasoning_content: text }).optional() })).optional(),
  error: z.object({ message: z.string() }).optional(),
});
const Answer = z.object({ choices: z.array(z.object({ message: z.object({ content: text }) })).min(1) });
/**
 * An error within the stream and a stream that breaks off are failures, though the status said 200.
 * @returns the whole answer
 */
export async function printTokens(
  cli: Cli,
  body: ReadableStream<Uint8Array>,
  alive: () => void,
): Promise<string | number> {
  let answer = '';
  for await (const data of serverSentEvents(body)) {
    alive();
    if (data === '[DONE]') {
      print(cli, '\n');
      return answer;
    }
    const chunk = Chunk.safeParse(parsed(data));
    if (!chunk.success) continue;
    if (chunk.data.error) return fail(cli, printable(chunk.data.error.message));
    const token = chunk.data.choices?.[0]?.delta?.content ?? '';
    answer += token;
    cli.stdout.write(printable(token));
  }
  return fail(cli, 'the answer broke off');
}

/** The text of a whole answer; the answer as it is where it holds none. */
export function answerOf(body: string): string {
  return Answer.safeParse(parsed(body)).data?.choices[0]?.message.content ?? body;
}

/** @returns undefined for what is no JSON */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
