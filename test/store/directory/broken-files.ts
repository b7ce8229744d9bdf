import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { diskFiles, type Files } from '../../../src/store/directory/files.ts';

export type FileCall = keyof Files;

/** As Node.js reports what the system refuses. */
export function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: as told by the test`), { code });
}

/** A disk that refuses `call` on the files `refuse` names, until told otherwise. */
export function refusingFiles(): {
  readonly files: Files;
  refuse(call: FileCall, code: string, file?: string): void;
  heal(): void;
} {
  const refusals: { readonly call: FileCall; readonly code: string; readonly file: string | undefined }[] = [];
  const check = (call: FileCall, path: string) => {
    const found = refusals.find((one) => one.call === call && (one.file === undefined || one.file === basename(path)));
    if (found) throw diskError(found.code);
  };
  return {
    files: guarded(check),
    refuse: (call, code, file) => void refusals.push({ call, code, file }),
    heal: () => {
      refusals.length = 0;
    },
  };
}

/**
 * A machine that stops at its `stopAt`th change of the disk, counted from 0, and does nothing ever after.
 * @param cutAt  where that change is the making of a file: so many of its bytes get to the disk
 */
export function dyingFiles(stopAt: number, cutAt = 0): { readonly files: Files; hasStopped(): boolean } {
  let changes = 0;
  let dead = false;
  const change = async (work: () => Promise<void>, last: () => Promise<void> = async () => undefined) => {
    if (!dead && changes === stopAt) {
      dead = true;
      await last();
    }
    if (dead) throw diskError('EIO');
    changes += 1;
    await work();
  };
  const files = guarded(() => {
    if (dead) throw diskError('EIO');
  });
  return {
    hasStopped: () => dead,
    files: {
      ...files,
      create: (path, text, as) =>
        change(
          () => diskFiles.create(path, text, as),
          () => writeFile(path, Buffer.from(text).subarray(0, cutAt)),
        ),
      rename: (from, to) => change(() => diskFiles.rename(from, to)),
      unlink: (path) => change(() => diskFiles.unlink(path)),
      flushDirectory: (directory) => change(() => diskFiles.flushDirectory(directory)),
    },
  };
}

function guarded(check: (call: FileCall, path: string) => void): Files {
  const guard =
    <Rest extends readonly unknown[], T>(call: FileCall, run: (path: string, ...rest: Rest) => Promise<T>) =>
    async (path: string, ...rest: Rest): Promise<T> => {
      check(call, path);
      return run(path, ...rest);
    };
  return {
    names: guard('names', diskFiles.names),
    facts: guard('facts', diskFiles.facts),
    isLink: guard('isLink', diskFiles.isLink),
    realPath: guard('realPath', diskFiles.realPath),
    read: guard('read', diskFiles.read),
    create: guard('create', diskFiles.create),
    rename: guard('rename', diskFiles.rename),
    unlink: guard('unlink', diskFiles.unlink),
    flushDirectory: guard('flushDirectory', diskFiles.flushDirectory),
  };
}
