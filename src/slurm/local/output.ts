import { closeSync, fstatSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { Directives } from '../directives.ts';
import type { JobRecord } from './record.ts';

/**
 * Where the job's output goes. Source: sbatch(1) FILENAME PATTERN.
 * @param folder what a relative path starts from
 */
export function outputPath(
  directives: Pick<Directives, 'output'>,
  record: Pick<JobRecord, 'id' | 'name' | 'user'>,
  place: { readonly folder: string; readonly nodeName: string },
): string {
  const words: Readonly<Record<string, string>> = {
    '%': '%',
    A: record.id,
    N: place.nodeName,
    j: record.id,
    n: '0',
    t: '0',
    u: record.user,
    x: record.name,
  };
  const path = (directives.output ?? 'slurm-%j.out').replace(
    /%(.)/g,
    (whole, letter: string) => words[letter] ?? whole,
  );
  return isAbsolute(path) ? path : join(place.folder, path);
}

/** @returns a descriptor to write to. As Slurm does, a job whose output cannot be opened runs without one. */
export function openOutput(path: string, append: boolean): number {
  try {
    return openSync(path, append ? 'a' : 'w', 0o640);
  } catch {
    return openSync('/dev/null', 'w');
  }
}

/**
 * Cuts a file that outgrew `maxBytes` down to the later half of them, in place: its writer appends, and goes on at
 * the new end. Lines written during the cut may be lost. A file that is not there is left alone.
 */
export function capOutput(path: string, maxBytes: number): void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) <= maxBytes) return;
  const file = openSync(path, 'r+');
  try {
    const tail = Buffer.alloc(Math.floor(maxBytes / 2));
    const length = readSync(file, tail, 0, tail.length, fstatSync(file).size - tail.length);
    ftruncateSync(file, 0);
    writeSync(file, tail.subarray(tail.indexOf(0x0a) + 1, length), 0, undefined, 0);
  } finally {
    closeSync(file);
  }
}
