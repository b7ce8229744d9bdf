import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, unlink } from 'node:fs/promises';
import path from 'node:path';
import { err, ok, type Result } from '../result.ts';
import { codeOf, diskFiles, explainDisk } from '../store/directory/files.ts';
import { temporaryName } from '../store/directory/names.ts';
import { writeWhole } from '../store/directory/write-whole.ts';

export type NewText = { readonly file: string; readonly text: string };

/**
 * Writes files, each whole or not at all; their directories are made.
 * @param force may replace what is there. Without it nothing is written when one of them is.
 * @returns the reason nothing, or not everything, was written
 */
export async function writeFiles(texts: readonly NewText[], force: boolean): Promise<Result<void, string>> {
  const there = force ? [] : texts.filter(({ file }) => existsSync(file));
  if (there.length > 0) return err(`${taken(there.map(({ file }) => file))}; --force replaces what is there`);
  for (const { file, text } of texts) {
    try {
      await mkdir(path.dirname(file), { recursive: true });
      await (force ? writeWhole(diskFiles, file, text, randomUUID()) : writeNew(file, text));
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return err(`${taken([file])}; --force replaces what is there`);
      return err(`${file} cannot be written: ${explainDisk(error)}`);
    }
  }
  return ok(undefined);
}

/** Somebody may make the file meanwhile: a link, unlike a rename, is refused then. */
async function writeNew(file: string, text: string): Promise<void> {
  const temporary = path.join(path.dirname(file), temporaryName(randomUUID()));
  try {
    await diskFiles.create(temporary, text, { mode: 0o644 });
    await link(temporary, file);
  } catch (error) {
    // Some file systems have no links.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'].includes(codeOf(error))) throw error;
    await diskFiles.create(file, text, { mode: 0o644 });
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
  await diskFiles.flushDirectory(path.dirname(file));
}

const taken = (files: readonly string[]): string =>
  `${files.join(', ')} ${files.length === 1 ? 'exists' : 'exist'} already`;
