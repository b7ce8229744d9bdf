import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { SecretSource } from '../api/spec.ts';
import { type Clock, withinMs } from '../clock.ts';
import { err, ok, type Result } from '../result.ts';
import type { SecretError, SecretReader } from './secrets.ts';
import { MAX_SECRET_BYTES, missing, secretValue, unreachable } from './value.ts';

export type StandaloneSecretsOptions = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Told once of each file that others may read. */
  readonly warn: (message: string) => void;
  /** For one file, ms. */
  readonly deadlineMs?: number;
};

/** Secrets of one person: the environment and the files of the operator's own user. There are no Kubernetes Secrets. */
export function createStandaloneSecrets(options: StandaloneSecretsOptions): SecretReader {
  const { environment, clock, warn, deadlineMs = 5_000 } = options;
  const warned = new Set<string>();
  /** Reads past their deadline that have not come back: each more on a dead mount would take a thread. */
  const stuck = new Set<string>();

  function readVariable(name: string): Result<string, SecretError> {
    const text = environment[name];
    if (text === undefined) return err(missing(`the environment of the operator has no ${name}`));
    return secretValue(text, `the variable ${name} of the operator's environment`);
  }

  async function readFile(path: string): Promise<Result<string, SecretError>> {
    if (stuck.has(path)) return err(unreachable(`${path} has not answered since it was last read`));
    const work = firstBytes(path);
    const read = await withinMs(clock, deadlineMs, work);
    if (read === undefined) {
      stuck.add(path);
      void work.finally(() => stuck.delete(path));
      return err(unreachable(`${path} did not answer within ${deadlineMs / 1000} s`));
    }
    if (!read.ok) return read;
    const { text, mode } = read.value;
    if ((mode & 0o077) !== 0 && !warned.has(path)) {
      warned.add(path);
      warn(`${path} holds a secret and others than its owner may read it: chmod 600 ${path}`);
    }
    return secretValue(text, path);
  }

  return {
    async read(_namespace, source: SecretSource) {
      if (source.env !== undefined) return readVariable(source.env);
      if (source.file !== undefined) return readFile(source.file);
      return err(missing('secretKeyRef needs Kubernetes, and this operator works on a directory: use env or file'));
    },
  };
}

/** Errors of the file itself are `missing`, those of the disk `unreachable`. */
async function firstBytes(
  path: string,
): Promise<Result<{ readonly text: string; readonly mode: number }, SecretError>> {
  try {
    // A pipe in the place of a file must not make us wait for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) return err(missing(`${path} is no regular file`));
      // More than a secret may have, so that one that is too long is seen to be.
      const bytes = Buffer.alloc(2 * MAX_SECRET_BYTES);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
      return ok({ text: bytes.toString('utf8', 0, bytesRead), mode: stats.mode });
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const words = MISSING_WORDS[code];
    return err(words === undefined ? unreachable(`${path} cannot be read: ${message}`) : missing(`${path}: ${words}`));
  }
}

const MISSING_WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  ELOOP: 'a symlink that leads back to itself',
  EACCES: 'the operator may not read it',
  EPERM: 'the operator may not read it',
  ENXIO: 'it is no regular file',
};
