import { type FileHandle, open, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Key } from '../api/key.ts';
import { JOB_NAME_PREFIX } from '../slurm/identity.ts';

/** One attempt's log: `<job name>-<job id>.log` in the log directory. */
export type LogFile = {
  readonly path: string;
  readonly replica: number;
  readonly attempt: number;
  readonly jobId: string;
};

/** Logs of a deployment, oldest attempt first; also of jobs the status no longer tells of. Throws what readdir throws. */
export async function logFiles(logDirectory: string, { namespace, name }: Key): Promise<readonly LogFile[]> {
  const prefix = `${JOB_NAME_PREFIX}${namespace}.${name}.r`;
  const files = (await readdir(logDirectory)).flatMap((file) => {
    if (!file.startsWith(prefix)) return [];
    const match = /^(\d+)\.a(\d+)-(\d+)\.log$/.exec(file.slice(prefix.length));
    if (!match) return [];
    const [, replica, attempt, jobId = ''] = match;
    return [{ path: path.join(logDirectory, file), replica: Number(replica), attempt: Number(attempt), jobId }];
  });
  return files.sort((a, b) => a.attempt - b.attempt || a.replica - b.replica || Number(a.jobId) - Number(b.jobId));
}

const PIECE_BYTES = 65_536;
const LINE_BREAK = 0x0a;

/**
 * Where the last `lines` lines begin, bytes; 0 when there are fewer.
 * Reads backwards, so that a log of gigabytes costs no more than what is shown of it.
 */
export async function tailOffset(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  if (lines === 0) return size;
  let left = lines;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - PIECE_BYTES);
    const piece = Buffer.alloc(end - start);
    await file.read(piece, 0, piece.length, start);
    for (let at = piece.length - 1; at >= 0; at--) {
      // The line break that ends the last line opens no line of its own.
      if (piece[at] !== LINE_BREAK || start + at === size - 1) continue;
      left -= 1;
      if (left === 0) return start + at + 1;
    }
    end = start;
  }
  return 0;
}

/** Hands on what lies behind `offset`, piece by piece. @returns where it stopped */
export async function copyFrom(
  file: FileHandle,
  offset: number,
  write: (piece: Uint8Array) => Promise<void>,
): Promise<number> {
  const piece = Buffer.alloc(PIECE_BYTES);
  for (let at = offset; ; ) {
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0) return at;
    await write(Uint8Array.prototype.slice.call(piece, 0, bytesRead));
    at += bytesRead;
  }
}

export const openLog = (file: LogFile): Promise<FileHandle> => open(file.path, 'r');
