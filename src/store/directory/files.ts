import type { Stats } from 'node:fs';
import { constants } from 'node:fs';
import { lstat, open, readdir, realpath, rename, stat, unlink } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';

export type FileFacts = {
  readonly kind: 'file' | 'directory' | 'other';
  /** Bytes. */
  readonly size: number;
  /** Epoch, ms, by the clock of the file's server. */
  readonly modifiedMs: number;
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Another one after every change of content, target, permission or place. */
  readonly fingerprint: string;
};

export type NewFile = { readonly mode: number; readonly owner?: FileFacts['owner'] };

/** The few things this store asks of a disk. They throw as Node.js does; tests stand between and break them. */
export interface Files {
  names(directory: string): Promise<readonly string[]>;
  /** Of what a symlink points to. */
  facts(path: string): Promise<FileFacts>;
  isLink(path: string): Promise<boolean>;
  /** Without symlinks. */
  realPath(path: string): Promise<string>;
  /** At most `maxBytes` + 1 bytes of a regular file: whoever gets more than `maxBytes` knows it is longer. */
  read(path: string, maxBytes: number): Promise<{ readonly bytes: Uint8Array; readonly facts: FileFacts }>;
  /** Makes a file that did not exist, its bytes on the disk. */
  create(path: string, text: string, as: NewFile): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes names survive a power cut. */
  flushDirectory(directory: string): Promise<void>;
}

export const diskFiles: Files = {
  names: (directory) => readdir(directory),
  facts: async (path) => factsOf(await stat(path)),
  isLink: async (path) => (await lstat(path)).isSymbolicLink(),
  realPath: (path) => realpath(path),
  rename: (from, to) => rename(from, to),
  unlink: (path) => unlink(path),

  async read(path, maxBytes) {
    // A pipe in the place of a file must not make us wait for a writer.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      const facts = factsOf(await handle.stat());
      if (facts.kind !== 'file') throw Object.assign(new Error('not a regular file'), { code: 'EINVAL' });
      const buffer = Buffer.alloc(Math.min(facts.size, maxBytes) + 1);
      let filled = 0;
      while (filled < buffer.length) {
        const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return { bytes: buffer.subarray(0, filled), facts };
    } finally {
      await handle.close();
    }
  },

  async create(path, text, { mode, owner }) {
    const handle = await open(path, 'wx', mode);
    try {
      await handle.writeFile(text);
      const made = factsOf(await handle.stat());
      if (made.mode !== mode) await handle.chmod(mode); // whatever the umask says
      // Only root may give files away.
      if (owner && !isDeepStrictEqual(made.owner, owner))
        await handle.chown(owner.uid, owner.gid).catch(() => undefined);
      await handle.sync();
    } finally {
      await handle.close();
    }
  },

  async flushDirectory(directory) {
    const handle = await open(directory, 'r');
    try {
      await handle.sync();
    } catch (error) {
      // Some file systems (SMB, FUSE) cannot flush a directory and say so; then there is nothing more to do.
      if (!['EINVAL', 'ENOTSUP', 'EBADF'].includes(codeOf(error))) throw error;
    } finally {
      await handle.close();
    }
  },
};

/** Errno name, or '' for an error that has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  ELOOP: 'a symlink that leads back to itself',
  EIO: 'the disk reports an error',
  ESTALE: 'the network file system lost the file',
  EMFILE: 'this process has too many open files',
};

/** One line for people, without the path: the caller knows it. */
export function explainDisk(error: unknown): string {
  const code = codeOf(error);
  return WORDS[code] ?? (error instanceof Error ? error.message.split('\n', 1)[0] : undefined) ?? 'unknown error';
}

function factsOf(stats: Stats): FileFacts {
  return {
    kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other',
    size: stats.size,
    modifiedMs: stats.mtimeMs,
    mode: stats.mode & 0o777,
    owner: { uid: stats.uid, gid: stats.gid },
    fingerprint: `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}`,
  };
}
