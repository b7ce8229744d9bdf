import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SpecInput } from '../../src/api/spec.ts';
import type { Status } from '../../src/api/status.ts';
import { thisProcess } from '../../src/store/directory/holder.ts';
import { LOCK_FILE, STORE_ID_FILE, statusFileName } from '../../src/store/directory/names.ts';
import { formatRecord } from '../../src/store/directory/record.ts';
import { admit, declare } from '../../src/store/revise.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const STORE_ID = 'test-store';
/** For one command on a loaded machine. */
const DEADLINE_MS = 60_000;
export const DAY_MS = 86_400_000;

export type Finished = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export type Running = {
  readonly child: ChildProcess;
  /** What was written so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves when a stream holds the text; rejects with all of it when it never does. */
  says(stream: 'stdout' | 'stderr', text: string | RegExp): Promise<void>;
  finished: Promise<Finished>;
};

/** A home, a directory of deployments and a log directory of a test's own. */
export type Workspace = {
  readonly home: string;
  readonly directory: string;
  readonly logs: string;
  /** A person's file. */
  write(file: string, text: string): void;
  read(file: string): string;
  /** A deployment three days old: its file, and beside it what the operator wrote. */
  deployment(name: string, spec: Partial<SpecInput>, status: Status, namespace?: string): void;
  /** As if an operator were at work. */
  serve(): Promise<void>;
  start(...args: readonly string[]): Running;
  run(...args: readonly string[]): Promise<Finished>;
  runWithInput(input: string, ...args: readonly string[]): Promise<Finished>;
  /** With these variables besides. */
  runWith(variables: Readonly<Record<string, string | undefined>>, ...args: readonly string[]): Promise<Finished>;
  /** Ends every command that still runs. */
  killAll(): Promise<void>;
  /** The same, and removes everything. */
  [Symbol.asyncDispose](): Promise<void>;
};

export function workspace(): Workspace {
  const home = mkdtempSync(path.join(os.tmpdir(), 'command-'));
  const directory = path.join(home, 'deployments');
  const logs = path.join(home, 'logs');
  for (const made of [directory, logs]) mkdirSync(made);
  writeFileSync(path.join(directory, STORE_ID_FILE), `id: ${STORE_ID}\n`);
  const running = new Set<Running>();

  const start = (...args: readonly string[]): Running => startWith({}, ...args);

  function startWith(variables: Readonly<Record<string, string | undefined>>, ...args: readonly string[]): Running {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: home,
      env: {
        PATH: '/usr/bin:/bin',
        HOME: home,
        VLLM_SLURM_DIRECTORY: directory,
        VLLM_SLURM_LOG_DIRECTORY: logs,
        VLLM_SLURM_CLUSTER_TYPE: 'local',
        ...variables,
      },
      timeout: DEADLINE_MS,
      killSignal: 'SIGKILL',
    });
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (piece) => (said.stdout += piece));
    child.stderr.on('data', (piece) => (said.stderr += piece));
    const finished = new Promise<Finished>((resolve) => child.on('close', (code) => resolve({ code, ...said })));
    const one: Running = {
      child,
      finished,
      stdout: () => said.stdout,
      stderr: () => said.stderr,
      says(stream, text) {
        return new Promise((resolve, reject) => {
          const look = () =>
            (typeof text === 'string' ? said[stream].includes(text) : text.test(said[stream])) && resolve();
          child[stream].on('data', look);
          child.on('close', () => reject(new Error(`never said ${text}: ${JSON.stringify(said)}`)));
          look();
        });
      },
    };
    running.add(one);
    void finished.then(() => running.delete(one));
    return one;
  }

  async function killAll(): Promise<void> {
    const left = [...running];
    for (const { child } of left) child.kill('SIGKILL');
    await Promise.all(left.map(({ finished }) => finished));
  }

  return {
    home,
    directory,
    logs,
    start,
    write: (file, text) => writeFileSync(path.join(directory, file), text),
    read: (file) => readFileSync(path.join(directory, file), 'utf8'),
    deployment(name, partial, status, namespace = 'default') {
      const spec = { model: { uri: `hf://example/${name}` }, ...partial };
      const source = `${namespace}-${name}.yaml`;
      const text = JSON.stringify({
        apiVersion: 'vllm-slurm.dev/v1alpha1',
        kind: 'VLLMDeployment',
        metadata: { name, namespace },
        spec,
      });
      writeFileSync(path.join(directory, source), text);
      const key = { namespace, name };
      const held = admit(key, declare(spec), { uid: `uid-${name}`, atMs: Date.now() - 3 * DAY_MS });
      const record = formatRecord({
        held: { ...held, resource: { ...held.resource, status } },
        source,
        storeId: STORE_ID,
      });
      writeFileSync(path.join(directory, statusFileName(key)), record);
    },
    async serve() {
      writeFileSync(path.join(directory, LOCK_FILE), JSON.stringify(await thisProcess('test')));
    },
    run: (...args) => {
      const one = start(...args);
      one.child.stdin?.end();
      return one.finished;
    },
    runWithInput(input, ...args) {
      const one = start(...args);
      one.child.stdin?.end(input);
      return one.finished;
    },
    runWith(variables, ...args) {
      const one = startWith(variables, ...args);
      one.child.stdin?.end();
      return one.finished;
    },
    killAll,
    async [Symbol.asyncDispose]() {
      await killAll();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** A time some days ago, as it stands in status: `3d ago` however slow the machine is. */
export const daysAgo = (days: number): string => new Date(Date.now() - days * DAY_MS).toISOString();
