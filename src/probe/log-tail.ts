import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';
import { redact } from '../redact.ts';

/**
 * The end of a log, fit to be shown: whole characters, no control codes, nothing that looks like a secret.
 * @param maxBytes read at most, from the end; the text begins with a whole line unless one line is longer
 * @param secrets values that must not be shown, whatever they look like
 * @returns undefined when there is no such file, or it is not a regular one, or cannot be read
 */
export async function readLogTail(
  path: string,
  maxBytes: number,
  secrets: Iterable<string> = [],
): Promise<string | undefined> {
  try {
    // Not blocking: to open a FIFO that stands where a log should would wait for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const end = await readEnd(file, maxBytes);
      return end && readableEnd(end.bytes, end.isCut, secrets);
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

/** @param isCut there is more in front of it */
export function readableEnd(bytes: Uint8Array, isCut: boolean, secrets: Iterable<string>): string {
  return redact(printable(wholeLines(Buffer.from(bytes), isCut)), secrets);
}

async function readEnd(
  file: FileHandle,
  maxBytes: number,
): Promise<{ readonly bytes: Uint8Array; readonly isCut: boolean } | undefined> {
  const stats = await file.stat();
  if (!stats.isFile()) return undefined;
  const start = Math.max(0, stats.size - maxBytes);
  const bytes = Buffer.alloc(stats.size - start);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
  return { bytes: bytes.subarray(0, bytesRead), isCut: start > 0 };
}

function wholeLines(bytes: Buffer, isCut: boolean): string {
  if (!isCut) return bytes.toString('utf8');
  const lineBreak = bytes.indexOf(0x0a);
  if (lineBreak >= 0 && lineBreak < bytes.length - 1) return bytes.subarray(lineBreak + 1).toString('utf8');
  // One line longer than all there is room for: from the first byte that begins a character.
  const first = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80);
  return bytes.subarray(Math.max(0, first)).toString('utf8');
}

/** A progress bar rewrites its line by carriage returns: its last state is what is left of it. */
function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll('\r\n', '\n')
    .replace(/^[^\n]*\r(?=[^\n])/gm, '')
    .replace(/[^\P{Cc}\n\t]/gu, '');
}
