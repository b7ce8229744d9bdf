import type { SecretFiles, SecretReader } from '../secrets/secrets.ts';

/** Values that have passed through this process: what it prints is cleared of them. */
export type KnownSecrets = Iterable<string> & {
  /** The same port, listened to. */
  reader(port: SecretReader): SecretReader;
  files(port: SecretFiles): SecretFiles;
};

/** A shorter one would be found within words that are no secret, and its place would tell it. */
const SHORTEST = 8;

export function createKnownSecrets(first: Iterable<string> = []): KnownSecrets {
  const known = new Set<string>();
  const learn = (secret: string | undefined): void => {
    if (secret !== undefined && secret.length >= SHORTEST) known.add(secret);
  };
  for (const secret of first) learn(secret);
  return {
    [Symbol.iterator]: () => known.values(),
    reader: (port) => ({
      async read(namespace, source) {
        const read = await port.read(namespace, source);
        if (read.ok) learn(read.value);
        return read;
      },
    }),
    files: (port) => ({
      ...port,
      async read(name) {
        const read = await port.read(name);
        if (read.ok) learn(read.value);
        return read;
      },
    }),
  };
}
