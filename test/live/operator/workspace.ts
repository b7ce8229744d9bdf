import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { parse } from 'yaml';
import type { SpecInput } from '../../../src/api/spec.ts';
import { Status } from '../../../src/api/status.ts';
import type { Bed } from '../slurm-bed/bed.ts';
import { until } from './until.ts';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
/** For one command. */
const DEADLINE_MS = 180_000;

export type Finished = {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
};

/** `vllm-slurm run`, a process. */
export type Operator = {
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Its exit, as far as it has ended. */
  exit(): { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined;
  /** What it said on stderr so far. */
  log(): string;
  /** Ctrl-C, or another signal; resolves when it has ended. */
  stop(signal?: 'SIGINT' | 'SIGKILL'): Promise<void>;
};

export type Deployment = { readonly spec: Partial<SpecInput>; readonly args?: readonly string[] };

/** What `get NAME -o json` prints, as far as stories look at it. */
export type Manifest = {
  readonly metadata: { readonly uid: string; readonly generation: number };
  readonly status: Status;
};

/** A person at a terminal: a directory of files, the commands, and now and then an operator. */
export type Workspace = {
  readonly directory: string;
  readonly logs: string;
  /** Where the operator places secrets. */
  readonly secrets: string;
  /** The file of a deployment of the stand-in engine, small and quick; written again it is an edit. */
  write(name: string, spec?: Partial<SpecInput>): Promise<void>;
  remove(name: string): Promise<void>;
  /** Starts an operator and waits until it has begun its work or has ended. */
  operate(environment?: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Operator>;
  /** One command of the program, to its end. */
  run(...args: readonly string[]): Promise<Finished>;
  /** As `run`; throws when it fails. @returns stdout */
  tell(...args: readonly string[]): Promise<string>;
  get(name: string): Promise<Manifest>;
  /** The row of `get NAME`, by heading. */
  row(name: string): Promise<Readonly<Record<string, string>>>;
  /** What the operator wrote beside the file; `{}` when there is nothing. */
  status(name: string): Promise<Status>;
  /** Waits until the status says so. */
  shows(name: string, what: (status: Status) => boolean): Promise<Status>;
  /** `wait NAME --for=condition=Ready`. */
  ready(name: string): Promise<void>;
  /** Ends its operators, which leaves jobs behind. */
  close(): Promise<void>;
};

export type WorkspaceOptions = {
  /** Where SLURM's programs are, instead of PATH. */
  readonly binDirectory?: string;
  /** Of `--set`. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Of the settings file, in place of the one cluster that SLURM's programs here lead to. */
  readonly clusters?: readonly object[];
  /** Nodes of the bed that deployments are kept off unless they say otherwise. */
  readonly exclude?: readonly string[];
};

/** As quick as settings allow. A claim stays in doubt for 30 s + timeoutSeconds + doubtWindowSeconds after a crash. */
const SETTINGS = {
  'cluster.type': 'slurm',
  'cluster.timeoutSeconds': 12,
  'intervals.tickSeconds': 1,
  'intervals.rescanSeconds': 1,
  'intervals.resyncSeconds': 10,
  'intervals.sweepSeconds': 10,
  doubtWindowSeconds: 15,
  vanishedGraceSeconds: 2,
  queuedForeverGraceSeconds: 2,
  // Below the ports the system hands out to whoever connects.
  portRange: '10000-19999',
};

/** Lives below the bed's directory and goes with it. */
export async function openWorkspace(bed: Bed, options: WorkspaceOptions = {}): Promise<Workspace> {
  const home = await mkdtemp(join(bed.directory, 'person-'));
  const directory = join(home, 'deployments');
  const logs = join(home, 'logs');
  const secrets = join(home, 'secrets');
  await mkdir(directory);
  const settings: Readonly<Record<string, string | number>> = {
    ...SETTINGS,
    ...(options.binDirectory !== undefined && { 'cluster.binDirectory': options.binDirectory }),
    ...options.settings,
    logDirectory: logs,
    secretDirectory: secrets,
  };
  const { clusters } = options;
  const configFile = join(home, 'clusters.yaml');
  if (clusters) await writeFile(configFile, JSON.stringify({ clusters }));
  const flags = [
    ...(clusters ? [`--config=${configFile}`] : []),
    '-d',
    directory,
    ...Object.entries(settings)
      .filter(([key]) => !(clusters && key.startsWith('cluster.')))
      .map(([key, value]) => `--set=${key}=${value}`),
  ];
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: home, ...bed.env };
  const operators: Operator[] = [];

  function start(environment: Readonly<Record<string, string>>, args: readonly string[]): Operator {
    // Should the test be killed, its operators are not left behind.
    const command = ['--pdeathsig', 'KILL', process.execPath, MAIN, 'run', ...flags, ...args];
    const child: ChildProcess = spawn('setpriv', command, {
      cwd: home,
      env: { ...env, ...environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    let exit: Awaited<Operator['ended']> | undefined;
    child.stderr?.on('data', (piece) => {
      said += piece;
    });
    const ended = new Promise<Awaited<Operator['ended']>>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        exit = { code, signal };
        resolve(exit);
      });
    });
    return {
      ended,
      exit: () => exit,
      log: () => said,
      async stop(signal = 'SIGINT') {
        if (exit === undefined) child.kill(signal);
        await ended;
      },
    };
  }

  async function run(...args: readonly string[]): Promise<Finished> {
    const done = await execa(process.execPath, [MAIN, ...args, ...flags], {
      cwd: home,
      env,
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
      timeout: DEADLINE_MS,
      stripFinalNewline: false,
    });
    return { code: done.exitCode, signal: done.signal, stdout: done.stdout, stderr: done.stderr };
  }

  async function tell(...args: readonly string[]): Promise<string> {
    const done = await run(...args);
    assert.equal(done.code, 0, `vllm-slurm ${args.join(' ')}: ${JSON.stringify(done)}`);
    return done.stdout;
  }

  async function status(name: string): Promise<Status> {
    const text = await readFile(join(directory, `${name}.status.yaml`), 'utf8').catch(() => '{}');
    return Status.parse((parse(text) as { readonly status?: unknown }).status ?? {});
  }

  async function shows(name: string, what: (status: Status) => boolean): Promise<Status> {
    let last: Status = {};
    return until(
      () => last,
      async () => {
        last = await status(name);
        return what(last) ? last : undefined;
      },
    );
  }

  return {
    directory,
    logs,
    secrets,
    async write(name, spec = {}) {
      const text = JSON.stringify({
        apiVersion: 'vllm-slurm.dev/v1alpha1',
        kind: 'VLLMDeployment',
        metadata: { name },
        spec: { ...standIn(name), ...spec, slurm: { exclude: [...(options.exclude ?? [])], ...spec.slurm } },
      });
      await writeFile(join(directory, `${name}.yaml`), `${text}\n`);
    },
    remove: (name) => rm(join(directory, `${name}.yaml`)),
    async operate(environment = {}, ...args) {
      const operator = start(environment, args);
      operators.push(operator);
      await until(operator.log, () => operator.exit() ?? (operator.log().includes('working on') || undefined));
      return operator;
    },
    run,
    tell,
    get: async (name) => JSON.parse(await tell('get', name, '-o', 'json')) as Manifest,
    async row(name) {
      const [head = [], cells = []] = (await tell('get', name)).split('\n').map((line) => line.trim().split(/ {2,}/));
      return Object.fromEntries(head.map((heading, i) => [heading, cells[i] ?? '']));
    },
    status,
    shows,
    async ready(name) {
      await tell('wait', name, '--for=condition=Ready', '--timeout=120s');
    },
    async close() {
      await Promise.all(operators.map((operator) => operator.stop('SIGKILL')));
    },
  };
}

function standIn(name: string): SpecInput {
  return {
    model: { uri: `hf://example/${name}`, name },
    resources: { gpusPerNode: 0 },
    engine: { type: 'stand-in' },
    probes: { liveness: { periodSeconds: 2, timeoutSeconds: 10, failureThreshold: 5 } },
    restartPolicy: { backoff: { initialSeconds: 1, maxSeconds: 5 } },
  };
}
