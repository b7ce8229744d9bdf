import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, withinMs } from '../clock.ts';
import { err, ok, type Result } from '../result.ts';
import type { SecretFiles } from './secrets.ts';
import { MAX_SECRET_BYTES } from './value.ts';

export type SecretDirectoryOptions = {
  /** Absolute, on a file system the compute nodes share; made when the first secret is placed. */
  readonly directory: string;
  /** The store's id: operators of one user do not sweep each other's files. Names the directory within. */
  readonly owner: string;
  readonly clock: Clock;
  /** For one call, ms. */
  readonly deadlineMs?: number;
  /** undefined where the system has no users. */
  readonly userId: number | undefined;
};

/** Not yet a secret's file; one left by a writer that was killed goes at the next look. */
const DRAFT_PREFIX = '.draft-';

/**
 * 0600 files in a 0700 directory of our own. What was read or written is remembered: a file changes by us alone, and an
 * endpoint is asked many times with the key in it.
 */
export function createSecretDirectory(options: SecretDirectoryOptions): SecretFiles {
  const { directory, owner, clock, deadlineMs = 10_000, userId } = options;
  const own = join(directory, owner);
  const known = new Map<string, string>();
  const drafts = new Set<string>();
  /** Calls past their deadline that have not come back. One of them may still take effect, so none is begun beside it. */
  let overdue = 0;

  async function within<T>(work: () => Promise<T>): Promise<Result<T, string>> {
    if (overdue > 0) return err(`${directory} has not answered an earlier call yet`);
    const running = work().then(ok, (error: Error) => err(`${directory}: ${error.message}`));
    const answer = await withinMs<Result<T, string>>(clock, deadlineMs, running);
    if (answer !== undefined) return answer;
    overdue += 1;
    void running.then(() => {
      overdue -= 1;
    });
    return err(`${directory} did not answer within ${deadlineMs / 1000} s`);
  }

  return {
    async write(name, secret) {
      known.delete(name);
      const written = await within(async () => {
        await prepare(directory, own, userId);
        const draft = `${DRAFT_PREFIX}${randomBytes(6).toString('hex')}`;
        drafts.add(draft);
        await writeWhole(own, draft, name, `${secret}\n`).finally(() => drafts.delete(draft));
      });
      if (written.ok) known.set(name, secret);
      return written;
    },
    async read(name) {
      const remembered = known.get(name);
      if (remembered !== undefined) return ok(remembered);
      const read = await within(() => readSecret(join(own, name)));
      if (read.ok && read.value !== undefined) known.set(name, read.value);
      return read;
    },
    names: () =>
      within(async () => {
        const found = (await orMissing(readdir(own))) ?? [];
        const torn = found.filter((name) => name.startsWith(DRAFT_PREFIX) && !drafts.has(name));
        for (const draft of torn) await orMissing(unlink(join(own, draft)));
        return found.filter((name) => !name.startsWith(DRAFT_PREFIX));
      }),
    async remove(name) {
      known.delete(name);
      return within(async () => {
        await orMissing(unlink(join(own, name)));
      });
    },
  };
}

/** Refuses a place where somebody else could put another file under our name, or read ours. */
async function prepare(directory: string, own: string, userId: number | undefined): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const above = await lstat(directory);
  if (!above.isSymbolicLink() && (above.mode & 0o022) !== 0) throw new Error('others may write there: chmod 700 it');
  await mkdir(own, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const made = await lstat(own);
  if (!made.isDirectory() || (userId !== undefined && made.uid !== userId))
    throw new Error(`${own} is not a directory of the operator's user`);
  if ((made.mode & 0o077) !== 0) await chmod(own, 0o700);
}

async function writeWhole(own: string, draftName: string, name: string, text: string): Promise<void> {
  const draft = join(own, draftName);
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.chmod(0o600); // whatever the umask says
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, join(own, name));
  } catch (error) {
    await unlink(draft).catch(() => undefined);
    throw error;
  }
  await flush(own);
}

async function flush(own: string): Promise<void> {
  const handle = await open(own, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems cannot flush a directory and say so.
    if (!['EINVAL', 'ENOTSUP', 'EBADF'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

async function readSecret(path: string): Promise<string | undefined> {
  const file = await orMissing(open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW));
  if (file === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(MAX_SECRET_BYTES);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return bytes.toString('utf8', 0, bytesRead).split('\n', 1)[0];
  } finally {
    await file.close();
  }
}

async function orMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
