import { join } from 'node:path';
import { err, ok, type Result } from '../../result.ts';
import type { StoreError } from '../store.ts';
import { explainDisk, type Files } from './files.ts';
import { acquireLock, type LockOptions } from './lock.ts';
import { isTemporary } from './names.ts';
import { claimStoreId, readStoreId } from './store-id.ts';

/** A directory that is ours alone. */
export interface Place {
  readonly id: string;
  /** Why nothing may be written now; cheap. */
  forbidden(): Promise<StoreError | undefined>;
  /** Why nothing that is read now may be believed. */
  distrusted(): Promise<StoreError | undefined>;
  leave(): Promise<void>;
}

/** Locks the directory, names it at its first use and clears away what a crash left half-written. */
export async function takePlace(files: Files, options: LockOptions): Promise<Result<Place, StoreError>> {
  const { directory, newId } = options;
  const locked = await acquireLock(options);
  if (!locked.ok) return locked;
  const lock = locked.value;
  const named = await nameAndSweep(files, directory, newId);
  if (!named.ok) {
    await lock.release();
    return named;
  }
  const id = named.value;

  async function forbidden(): Promise<StoreError | undefined> {
    if (await lock.isHeld()) return undefined;
    return unavailable(`${directory} is no longer ours: its lock is gone, or another controller has it`);
  }

  async function distrusted(): Promise<StoreError | undefined> {
    const found = await readStoreId(files, directory);
    if (!found.ok) return found.error;
    if (found.value === id) return forbidden();
    const what = found.value === undefined ? 'holds no store any more' : `holds another store, ${found.value}`;
    return unavailable(`${directory} ${what}: is a file system not mounted, or mounted over it?`);
  }

  return ok({ id, forbidden, distrusted, leave: lock.release });
}

async function nameAndSweep(files: Files, directory: string, newId: () => string): Promise<Result<string, StoreError>> {
  const claimed = await claimStoreId(files, directory, newId);
  if (!claimed.ok) return claimed;
  try {
    const names = await files.names(directory);
    for (const name of names.filter(isTemporary)) await files.unlink(join(directory, name)).catch(() => undefined);
    return claimed;
  } catch (error) {
    return err(unavailable(`${directory} cannot be listed: ${explainDisk(error)}`));
  }
}

const unavailable = (message: string): StoreError => ({ kind: 'unavailable', message });
