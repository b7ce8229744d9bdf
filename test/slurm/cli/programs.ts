import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A directory of stand-ins for Slurm's programs, gone with the test. */
export type Programs = {
  readonly directory: string;
  /** @param body shell text; `$HERE` is the directory */
  write(name: string, body: string): Promise<string>;
  /** A file of the directory; empty while it is not there. */
  read(name: string): Promise<string>;
};

export async function standInPrograms(t: TestContext): Promise<Programs> {
  const directory = await mkdtemp(join(tmpdir(), 'slurm-programs-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  await mkdir(join(directory, 'bin'));
  return {
    directory,
    async write(name, body) {
      const path = join(directory, 'bin', name);
      await writeFile(path, `#!/bin/sh\nHERE=${directory}\n${body}\n`);
      await chmod(path, 0o755);
      return path;
    },
    read: (name) => readFile(join(directory, name), 'utf8').catch(() => ''),
  };
}

/** Waits for what is bound to happen; a machine under load may take its time. */
export async function eventually<T>(look: () => Promise<T | undefined>, withinMs = 20_000): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (performance.now() > end) throw new Error(`did not happen within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
