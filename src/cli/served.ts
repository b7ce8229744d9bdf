import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../clock.ts';
import { Holder, isAlive } from '../store/directory/holder.ts';
import { LOCK_FILE } from '../store/directory/names.ts';

/** A lock of another machine is renewed far more often than this, ms. */
const FRESH_MS = 120_000;

/** Whether an operator holds the directory: its status files are being kept. Looks, and changes nothing. */
export async function isServed(directory: string, clock: Clock): Promise<boolean> {
  const file = path.join(directory, LOCK_FILE);
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
    return (await isAlive(Holder.parse(JSON.parse(text)))) ?? clock.now() - mtimeMs < FRESH_MS;
  } catch {
    return false;
  }
}
