import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import type { Key } from '../../../src/api/key.ts';
import { type Clock, systemClock } from '../../../src/clock.ts';
import type { Result } from '../../../src/result.ts';
import {
  createDirectoryStore,
  type DirectoryExtras,
  type DirectoryStoreOptions,
} from '../../../src/store/directory/store.ts';
import type { Store, StoreError } from '../../../src/store/store.ts';

export type DirectoryStore = Store & DirectoryExtras;

export const WEB: Key = { namespace: 'default', name: 'web' };
export const OTHER: Key = { namespace: 'default', name: 'other' };

/** A directory of a test's own, gone at its end with every store that was opened on it. */
export interface Scratch {
  readonly path: string;
  /** Without waiting for anything: changes are read and removals believed at the next look. */
  open(options?: Partial<DirectoryStoreOptions>): Promise<DirectoryStore>;
  tryOpen(options?: Partial<DirectoryStoreOptions>): Promise<Result<DirectoryStore, StoreError>>;
  write(file: string, text: string | Uint8Array): Promise<void>;
  read(file: string): Promise<string>;
  remove(file: string): Promise<void>;
  names(): Promise<readonly string[]>;
  dispose(): Promise<void>;
}

export async function makeScratch(): Promise<Scratch> {
  const path = await mkdtemp(join(tmpdir(), 'vllm-slurm-store-'));
  const opened: DirectoryStore[] = [];
  const tryOpen: Scratch['tryOpen'] = async (options = {}) => {
    const settings = { directory: path, clock: systemClock, settleMs: 0, removalGraceMs: 0, rescanMs: 3_600_000 };
    const store = await createDirectoryStore({ ...settings, ...options });
    if (store.ok) opened.push(store.value);
    return store;
  };
  return {
    path,
    tryOpen,
    async open(options) {
      const store = await tryOpen(options);
      assert.ok(store.ok, `not opened: ${JSON.stringify(store)}`);
      return store.value;
    },
    async write(file, text) {
      // All at once: with no time to settle, a look in between would read half of it.
      const aside = join(path, `.aside-${file}`);
      await writeFile(aside, text);
      await rename(aside, join(path, file));
    },
    read: (file) => readFile(join(path, file), 'utf8'),
    remove: (file) => rm(join(path, file)),
    names: async () => (await readdir(path)).sort(),
    async dispose() {
      for (const store of opened) await store.close();
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** A test with a directory of its own. */
export function inScratch(sentence: string, body: (scratch: Scratch) => Promise<void>): void {
  test(sentence, async () => {
    const scratch = await makeScratch();
    try {
      await body(scratch);
    } finally {
      await scratch.dispose();
    }
  });
}

/** A resource as a person writes it. */
export function manifest(key: Key, spec: unknown, metadata: Readonly<Record<string, unknown>> = {}): string {
  const { namespace, name } = key;
  return stringify({
    apiVersion: 'vllm-slurm.dev/v1alpha1',
    kind: 'VLLMDeployment',
    metadata: { name, ...(namespace !== 'default' && { namespace }), ...metadata },
    spec,
  });
}

export const spec = (replicas?: number) => ({
  model: { uri: 'hf://org/model' },
  ...(replicas !== undefined && { replicas }),
});

/** Time that moves when the test says so. */
export function handClock(startMs = 1_700_000_000_000): Clock & { advance(ms: number): void } {
  let nowMs = startMs;
  const due = new Set<{ readonly atMs: number; readonly run: () => void }>();
  return {
    now: () => nowMs,
    after(delayMs, run) {
      const timer = { atMs: nowMs + delayMs, run };
      due.add(timer);
      return () => due.delete(timer);
    },
    advance(ms) {
      nowMs += ms;
      for (const timer of [...due].filter(({ atMs }) => atMs <= nowMs)) {
        due.delete(timer);
        timer.run();
      }
    },
  };
}

/** Resolves once the condition holds; a loaded machine may take its time. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 2000; tries += 1) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`never: ${what}`);
}
