import { ok } from '../result.ts';
import type { SecretFiles } from './secrets.ts';

export type MemorySecretFiles = SecretFiles & {
  /** What lies there now, by name. */
  held(): Readonly<Record<string, string>>;
};

/** Secret files without a disk: for tests. */
export function createMemorySecretFiles(): MemorySecretFiles {
  const files = new Map<string, string>();
  return {
    held: () => Object.fromEntries([...files].sort()),
    async write(name, secret) {
      files.set(name, secret);
      return ok(undefined);
    },
    read: async (name) => ok(files.get(name)),
    names: async () => ok([...files.keys()]),
    async remove(name) {
      files.delete(name);
      return ok(undefined);
    },
  };
}
