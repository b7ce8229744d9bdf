import { dirname, join } from 'node:path';
import type { Files, NewFile } from './files.ts';
import { temporaryName } from './names.ts';

/**
 * Replaces a file so that whoever reads it, after whatever crash, finds the old text or the new one, whole.
 * Throws what the disk throws; then the old text stands, unless only the last step failed.
 */
export async function writeWhole(files: Files, path: string, text: string, id: string, as: NewFile = { mode: 0o644 }) {
  const directory = dirname(path);
  const temporary = join(directory, temporaryName(id));
  try {
    await files.create(temporary, text, as);
    await files.rename(temporary, path);
  } catch (error) {
    await files.unlink(temporary).catch(() => undefined);
    throw error;
  }
  await files.flushDirectory(directory);
}
