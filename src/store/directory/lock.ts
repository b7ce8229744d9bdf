import { type FileHandle, link, open, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { err, ok, type Result } from '../../result.ts';
import type { StoreError } from '../store.ts';
import { codeOf, explainDisk } from './files.ts';
import { Holder, isAlive, thisProcess } from './holder.ts';
import { LOCK_FILE, temporaryName } from './names.ts';

const HEARTBEAT_MS = 15_000;
/** Of a holder that cannot be looked up from here: on another host, in another container. */
const STALE_AFTER_MS = 60_000;

/** The right to be the one controller of a directory. */
export interface Lock {
  /** False once somebody else took it, or the directory is another one than it was. */
  isHeld(): Promise<boolean>;
  release(): Promise<void>;
}

export type LockOptions = {
  readonly directory: string;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: (message: string) => void;
};

/**
 * Takes the lock, from a dead holder if need be. A file made exclusively is atomic on NFS too, and ages are told by the
 * file server's clock alone: hosts whose clocks differ agree on what is stale.
 */
export async function acquireLock({ directory, clock, newId, log }: LockOptions): Promise<Result<Lock, StoreError>> {
  const path = join(directory, LOCK_FILE);
  const me = await thisProcess(newId());
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const made = await make(path, me);
    if (made.ok) return ok(await hold(path, made.value, me, clock, log));
    if (codeOf(made.error) !== 'EEXIST') return unavailable(`cannot be locked: ${explainDisk(made.error)}`);
    const found = await inspect(directory, path, newId());
    if (found === undefined) continue; // released just now
    if (!found.ok) return unavailable(found.error);
    await takeAway(path, join(directory, temporaryName(newId())), found.value);
  }
  return unavailable('is locked by another controller that has just started');

  function unavailable(message: string): Result<never, StoreError> {
    return err({ kind: 'unavailable', message: `${directory} ${message}` });
  }
}

async function make(path: string, me: Holder): Promise<Result<FileHandle, unknown>> {
  const opened = await open(path, 'wx', 0o644).then(ok, err);
  if (!opened.ok) return opened;
  try {
    await opened.value.writeFile(textOf(me));
    return opened;
  } catch (error) {
    await opened.value.close().catch(() => undefined);
    await unlink(path).catch(() => undefined);
    return err(error);
  }
}

async function hold(
  path: string,
  handle: FileHandle,
  me: Holder,
  clock: Clock,
  log: LockOptions['log'],
): Promise<Lock> {
  const own = await handle.stat();
  let withdraw = clock.after(HEARTBEAT_MS, beat);
  let released = false;

  function beat(): void {
    // Through the open file, never by name: by now the name may be another controller's.
    handle
      .write(textOf(me), 0)
      .then(() => handle.sync())
      .catch((error: unknown) => {
        if (!released) log(`the lock ${path} could not be renewed: ${explainDisk(error)}`);
      })
      .finally(() => {
        if (!released) withdraw = clock.after(HEARTBEAT_MS, beat);
      });
  }

  async function isHeld(): Promise<boolean> {
    const now = await stat(path).catch(() => undefined);
    return now?.ino === own.ino && now.dev === own.dev;
  }

  return {
    isHeld,
    async release() {
      released = true;
      withdraw();
      if (await isHeld()) await unlink(path).catch(() => undefined);
      await handle.close().catch(() => undefined);
    },
  };
}

/** @returns the text of a lock that may be taken away, or who holds it; undefined when it is gone */
async function inspect(directory: string, path: string, id: string): Promise<Result<string, string> | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    return codeOf(error) === 'ENOENT'
      ? undefined
      : err(`is locked, and the lock cannot be read: ${explainDisk(error)}`);
  }
  const holder = readHolder(text);
  const alive = holder && (await isAlive(holder));
  if (alive === false) return ok(text);
  const who = holder ? `process ${holder.pid} on ${holder.host}` : 'a controller that is just starting';
  if (alive) return err(`is served by another controller already: ${who}`);
  const ageMs = await ageOf(directory, path, id);
  if (ageMs === undefined) return err(`is locked by ${who}, and its age cannot be told`);
  if (ageMs > STALE_AFTER_MS) return ok(text);
  const leftSeconds = Math.ceil((STALE_AFTER_MS - ageMs) / 1000);
  return err(`is served by another controller already: ${who}. If it is dead, its lock lapses in ${leftSeconds} s`);
}

const textOf = (holder: Holder) => `${JSON.stringify(holder)}\n`;

function readHolder(text: string): Holder | undefined {
  try {
    return Holder.parse(JSON.parse(text));
  } catch {
    return undefined; // caught between its making and its writing
  }
}

async function ageOf(directory: string, path: string, id: string): Promise<number | undefined> {
  const probe = join(directory, temporaryName(id));
  try {
    await writeFile(probe, 'what time is it?\n', { flag: 'wx' });
    const [now, then] = await Promise.all([stat(probe), stat(path)]);
    return now.mtimeMs - then.mtimeMs;
  } catch {
    return undefined;
  } finally {
    await unlink(probe).catch(() => undefined);
  }
}

/** Of several that take the same stale lock away at once, one gets it; a fresh lock taken by mistake is put back. */
async function takeAway(path: string, aside: string, stale: string): Promise<void> {
  try {
    await rename(path, aside);
    if ((await readFile(aside, 'utf8')) !== stale) await link(aside, path);
  } catch {
    // Somebody else was quicker: the next attempt sees what there is.
  } finally {
    await unlink(aside).catch(() => undefined);
  }
}
