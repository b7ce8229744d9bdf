import pino, { type Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { Settings } from '../config.ts';
import { redact } from '../redact.ts';

export type Log = Logger;

export type LogOptions = Settings['log'] & {
  readonly stream: { write(text: string): unknown };
  readonly isTerminal: boolean;
  readonly colour: boolean;
  /** Values that must never be printed; more may be added as they become known. */
  readonly secrets: Iterable<string>;
};

/**
 * One line of JSON an event, or one for people. Everything passes the redaction as JSON text, so that a secret
 * in a message, in a field at any depth or in an error's stack is taken out alike.
 */
export function createLog({ level, format, stream, isTerminal, colour, secrets }: LogOptions): Log {
  const forPeople = format === 'pretty' || (format === 'auto' && isTerminal);
  const shape = forPeople
    ? prettyFactory({ colorize: colour, translateTime: 'SYS:HH:MM:ss', singleLine: true })
    : (text: string) => text;
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (text) => void stream.write(shape(redact(text, secrets))) },
  );
}
