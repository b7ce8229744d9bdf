import { open, readdir } from 'node:fs/promises';
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

/** Where logs are: here, or behind a connection. Each call throws what stands in its way. */
export type LogPlace = {
  /** Names in the directory; of those with another beginning as it pleases. */
  names(directory: string, prefix: string): Promise<readonly string[]>;
  open(path: string): Promise<OpenLog>;
};

export type OpenLog = {
  /** Bytes. */
  size(): Promise<number>;
  /** As many as there are; none at the end. */
  read(offset: number, bytes: number): Promise<Uint8Array>;
  close(): Promise<void>;
};

export const LOGS_HERE: LogPlace = {
  names: (directory) => readdir(directory),
  async open(path) {
    const file = await open(path, 'r');
    return {
      size: async () => (await file.stat()).size,
      async read(offset, bytes) {
        const piece = Buffer.alloc(bytes);
        const { bytesRead } = await file.read(piece, 0, bytes, offset);
        return piece.subarray(0, bytesRead);
      },
      close: () => file.close(),
    };
  },
};

/** Logs of a deployment, oldest attempt first; also of jobs the status no longer tells of. */
export async function logFiles(
  place: LogPlace,
  logDirectory: string,
  { namespace, name }: Key,
): Promise<readonly LogFile[]> {
  const prefix = `${JOB_NAME_PREFIX}${namespace}.${name}.r`;
  const files = (await place.names(logDirectory, prefix)).flatMap((file) => {
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
export async function tailOffset(file: OpenLog, lines: number): Promise<number> {
  const size = await file.size();
  if (lines === 0) return size;
  let left = lines;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - PIECE_BYTES);
    const piece = await file.read(start, end - start);
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
  file: OpenLog,
  offset: number,
  write: (piece: Uint8Array) => Promise<void>,
): Promise<number> {
  for (let at = offset; ; ) {
    const piece = await file.read(at, PIECE_BYTES);
    if (piece.length === 0) return at;
    await write(piece);
    at += piece.length;
  }
}
