import type { Files } from './files.ts';

/**
 * Of all who ask for a flush while one is under way, one more serves them all: it begins after whatever they changed.
 * Many status files are written side by side, and each would wait for a disk of its own otherwise.
 */
export function sharingFlushes(files: Files): Files {
  const underWay = new Map<string, Promise<void>>();
  const next = new Map<string, Promise<void>>();

  function flushDirectory(directory: string): Promise<void> {
    const joined = next.get(directory);
    if (joined) return joined;
    const before = underWay.get(directory)?.catch(() => undefined) ?? Promise.resolve();
    const flush = before.then(() => {
      next.delete(directory);
      underWay.set(directory, flush);
      return files.flushDirectory(directory);
    });
    next.set(directory, flush);
    return flush;
  }

  return { ...files, flushDirectory };
}
