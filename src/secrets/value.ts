import { err, ok, type Result } from '../result.ts';
import type { SecretError } from './secrets.ts';

/** Longer than any token; a file of weights named by mistake is refused. */
export const MAX_SECRET_BYTES = 4096;

/**
 * The first line of what a source holds, blanks at its ends removed: editors and `echo` add them, and no header keeps them.
 * @param place in words, for the message; nothing of the text itself is ever in it
 */
export function secretValue(text: string, place: string): Result<string, SecretError> {
  const line = text.split('\n', 1)[0]?.trim() ?? '';
  if (line === '') return err(missing(`${place} is empty`));
  if (Buffer.byteLength(line) > MAX_SECRET_BYTES)
    return err(missing(`${place} is longer than ${MAX_SECRET_BYTES} bytes`));
  if (!/^[\x21-\x7e]+$/.test(line))
    return err(missing(`${place} holds blanks or characters that no HTTP header can carry`));
  return ok(line);
}

export const missing = (message: string): SecretError => ({ kind: 'missing', message });
export const unreachable = (message: string): SecretError => ({ kind: 'unreachable', message });
