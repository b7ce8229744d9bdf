import { err, ok, type Result } from '../../result.ts';
import type { StoreProblem } from '../store.ts';

/** UTF-8 with or without a byte order mark to text; anything else is refused, with the line it stands in. */
export function decodeText(file: string, bytes: Uint8Array): Result<string, StoreProblem> {
  const text = decode(bytes);
  if (text === undefined) {
    return err({ file, line: firstBadLine(bytes), message: 'the text is not UTF-8' });
  }
  const zero = text.indexOf('\0');
  if (zero < 0) return ok(text);
  return err({ file, line: text.slice(0, zero).split('\n').length, message: 'the text holds a NUL byte' });
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function firstBadLine(bytes: Uint8Array): number {
  let line = 1;
  let start = 0;
  // 0x0a is never part of a longer character in UTF-8, so lines may be tried one by one.
  for (let end = bytes.indexOf(10); end >= 0 && decode(bytes.subarray(start, end)) !== undefined; ) {
    line += 1;
    start = end + 1;
    end = bytes.indexOf(10, start);
  }
  return line;
}
