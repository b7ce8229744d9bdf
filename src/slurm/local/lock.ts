import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { err, ok, type Result } from '../../result.ts';
import { isAlive, startTicks } from './process.ts';

/** A racing taker has renamed its own lock into place well before this many ms are over. */
const SETTLE_MS = 50;

/**
 * One operator a directory. The lock names a process and when it began, so that one left by a dead process is taken
 * over and a reused process number holds nothing.
 * @returns how to let go, or who holds it
 */
export async function lockDirectory(directory: string): Promise<Result<() => void, string>> {
  const path = join(directory, 'lock');
  const mine = `${process.pid} ${startTicks(process.pid)}`;
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, mine);
  try {
    linkSync(draft, path);
    rmSync(draft);
    return ok(() => release(path, mine));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  const holder = read(path);
  const [pid, began] = (holder ?? '').split(' ').map(Number);
  if (pid !== undefined && began !== undefined && isAlive({ pid, startTicks: began })) {
    rmSync(draft);
    return err(`${directory} is in use by process ${pid}; only one operator may run a local cluster's directory`);
  }
  renameSync(draft, path);
  await delay(SETTLE_MS);
  return read(path) === mine
    ? ok(() => release(path, mine))
    : err(`${directory} was taken by another process just now`);
}

function release(path: string, mine: string): void {
  if (read(path) === mine) rmSync(path, { force: true });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
