import { join } from 'node:path';
import type { Catalog } from '../../api/catalog.ts';
import { err, type Result } from '../../result.ts';
import type { StoreProblem } from '../store.ts';
import { decodeText } from './decode.ts';
import { codeOf, explainDisk, type Files } from './files.ts';
import { statusFileKey } from './names.ts';
import { parseRecord, type Recorded } from './record.ts';

/** 512 replicas with everything that may be told of them stay well below. */
const MAX_BYTES = 16 * 1024 * 1024;

/** @returns undefined when the file is gone */
export async function readRecord(
  files: Files,
  directory: string,
  file: string,
  { storeId, catalog }: { readonly storeId: string; readonly catalog: Catalog },
): Promise<Result<Recorded, StoreProblem> | undefined> {
  const key = statusFileKey(file);
  if (!key) return err({ file, message: 'is named like a status file and is none: rename it' });
  try {
    const { bytes } = await files.read(join(directory, file), MAX_BYTES);
    if (bytes.length > MAX_BYTES)
      return err({ file, message: `is larger than any status file: over ${MAX_BYTES} bytes` });
    const text = decodeText(file, bytes);
    const record = text.ok ? parseRecord(file, key, text.value, catalog) : text;
    if (record.ok && record.value.storeId !== storeId) {
      return err({
        file,
        message: `belongs to the store ${record.value.storeId}, not to ${storeId}: remove it or put it back`,
      });
    }
    return record;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    return err({ file, message: `cannot be read: ${explainDisk(error)}` });
  }
}
