import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { err, ok, type Result } from '../../result.ts';
import type { StoreError } from '../store.ts';
import { codeOf, explainDisk, type Files } from './files.ts';
import { isStatusFile, STORE_ID_FILE } from './names.ts';
import { writeWhole } from './write-whole.ts';

const StoreIdFile = z.object({ id: z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/) });

/**
 * Whose directory this is. `undefined`: nobody's yet. The file is there so that an empty mount point is never taken
 * for a directory from which everything was deleted.
 */
export async function readStoreId(files: Files, directory: string): Promise<Result<string | undefined, StoreError>> {
  try {
    const { bytes } = await files.read(join(directory, STORE_ID_FILE), 4096);
    const parsed = StoreIdFile.safeParse(parse(new TextDecoder().decode(bytes)));
    if (parsed.success) return ok(parsed.data.id);
    return unavailable(`${join(directory, STORE_ID_FILE)} holds no id: it must read "id: SOME-WORD"`);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return existing(files, directory);
    return unavailable(`${join(directory, STORE_ID_FILE)} cannot be read: ${explainDisk(error)}`);
  }
}

/** The id, made at the first start. Status files without it belong to a store that is elsewhere, or half copied. */
export async function claimStoreId(
  files: Files,
  directory: string,
  newId: () => string,
): Promise<Result<string, StoreError>> {
  const found = await readStoreId(files, directory);
  if (!found.ok) return found;
  if (found.value !== undefined) return ok(found.value);
  try {
    const [orphan] = (await files.names(directory)).filter(isStatusFile);
    if (orphan !== undefined) {
      const advice = `write "id: ID" there, ID being what stands behind "store:" in ${orphan}, or remove the status files`;
      return unavailable(`${directory} holds status files but no ${STORE_ID_FILE}: ${advice}`);
    }
    const id = newId();
    await writeWhole(
      files,
      join(directory, STORE_ID_FILE),
      `# Names this directory for ever; jobs carry it.\nid: ${id}\n`,
      newId(),
    );
    return ok(id);
  } catch (error) {
    return unavailable(`${directory} cannot be written: ${explainDisk(error)}`);
  }
}

async function existing(files: Files, directory: string): Promise<Result<undefined, StoreError>> {
  try {
    const { kind } = await files.facts(directory);
    return kind === 'directory' ? ok(undefined) : unavailable(`${directory} is not a directory`);
  } catch (error) {
    return unavailable(`${directory}: ${explainDisk(error)}`);
  }
}

const unavailable = (message: string): Result<never, StoreError> => err({ kind: 'unavailable', message });
