import { type FSWatcher, watch } from 'node:fs';
import { explainDisk } from './files.ts';
import { isPersonsFile } from './names.ts';

export interface DirectoryWatch {
  /** Listens anew if it has gone deaf; costs nothing when it has not. */
  listen(): void;
  close(): void;
}

/**
 * Notices of the kernel, to be quick; never to be relied upon: network file systems lose them, and what symlinks
 * point to is not watched. One watch for the whole directory, however many files it holds.
 */
export function watchDirectory(directory: string, notice: () => void, log: (message: string) => void): DirectoryWatch {
  let watcher: FSWatcher | undefined;
  let complained = false;

  function deaf(error: unknown): void {
    watcher?.close();
    watcher = undefined;
    if (!complained) log(`${directory} is not watched, only looked at from time to time: ${explainDisk(error)}`);
    complained = true;
  }

  return {
    listen() {
      if (watcher) return;
      try {
        watcher = watch(directory, { persistent: false }, (_event, file) => {
          // `..data` is what changes in a mounted ConfigMap.
          if (file === null || isPersonsFile(file) || file.startsWith('..')) notice();
        });
        watcher.on('error', deaf);
      } catch (error) {
        deaf(error);
      }
    },
    close() {
      watcher?.close();
      watcher = undefined;
    },
  };
}
