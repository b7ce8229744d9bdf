import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { parse } from 'yaml';
import type { SpecInput } from '../../../src/api/spec.ts';
import { Status } from '../../../src/api/status.ts';
import type { NodeBed } from '../node-bed/bed.ts';
import { until } from '../operator/until.ts';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
/** For one command that waits for nothing. */
const COMMAND_MS = 60_000;

/** A person on the controller's host of a bed: a directory of deployments, the commands, and one operator at work. */
export type Desk = {
  readonly directory: string;
  readonly logs: string;
  write(name: string, spec: SpecInput): Promise<void>;
  /** Resolves when no job of it is left. */
  remove(name: string): Promise<void>;
  /** One command, to its end. @returns stdout; throws when it fails */
  tell(...args: readonly string[]): Promise<string>;
  status(name: string): Promise<Status>;
  /** Waits until the status file says so. */
  shows(name: string, what: string, deadlineMs: number, is: (status: Status) => boolean): Promise<Status>;
  /** Waits for Ready. @returns ms it took */
  ready(name: string, deadlineMs: number): Promise<number>;
  /** What the operator said on stderr so far. */
  said(): string;
  /** `SIGKILL` and a new one: jobs are adopted. */
  restart(): Promise<void>;
  /** Ends the operator, which leaves jobs behind. */
  close(): Promise<void>;
};

const SETTINGS = {
  'cluster.type': 'slurm',
  'cluster.timeoutSeconds': 12,
  'intervals.tickSeconds': 1,
  'intervals.rescanSeconds': 1,
  'intervals.resyncSeconds': 10,
  'intervals.sweepSeconds': 10,
  'log.format': 'json',
};

/** Starts the operator as the user whose jobs they will be, where it reaches the nodes and nothing else. */
export async function openDesk(bed: NodeBed, settings: Readonly<Record<string, string | number>> = {}): Promise<Desk> {
  const directory = `${bed.home}/deployments`;
  const logs = `${bed.home}/logs`;
  await bed.run('mkdir', '-p', directory, logs);
  const flags = [
    `--directory=${directory}`,
    ...Object.entries({ ...SETTINGS, ...settings, logDirectory: logs }).map(([key, value]) => `--set=${key}=${value}`),
  ];
  const program = (...args: readonly string[]) =>
    bed.command('controller', 'vllm', process.execPath, MAIN, ...args, ...flags);
  let operator: { readonly process: ChildProcess; readonly ended: Promise<void> } | undefined;
  let said = '';

  function start(): void {
    const [file, ...args] = program('run');
    const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (piece) => {
      said += piece;
    });
    const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
    operator = { process: child, ended };
  }

  async function end(): Promise<void> {
    if (!operator) return;
    // Not the process at hand, which only stands before the one on the other host.
    if (operator.process.exitCode === null) await bed.signal('controller', 'KILL', ` ${MAIN} run `);
    await operator.ended;
    operator = undefined;
  }

  async function run(timeout: number, ...args: readonly string[]): Promise<string> {
    const [file, ...rest] = program(...args);
    const done = await execa(file, rest, { timeout, stdin: 'ignore', reject: false });
    assert.equal(
      done.exitCode ?? done.signal,
      0,
      `vllm-slurm ${args.join(' ')}: ${done.stderr}\n${done.stdout}\n${said.slice(-3000)}`,
    );
    return done.stdout;
  }

  async function status(name: string): Promise<Status> {
    const text = await readFile(`${directory}/${name}.status.yaml`, 'utf8').catch(() => '{}');
    return Status.parse((parse(text) as { readonly status?: unknown }).status ?? {});
  }

  async function shows(
    name: string,
    what: string,
    deadlineMs: number,
    is: (status: Status) => boolean,
  ): Promise<Status> {
    let last: Status = {};
    return until(
      () => ({ what, last, said: said.slice(-3000) }),
      async () => {
        last = await status(name);
        return is(last) ? last : undefined;
      },
      deadlineMs,
    );
  }

  async function begin(): Promise<void> {
    const from = said.length;
    start();
    await until(
      () => said,
      () => said.slice(from).includes('working on') || undefined,
    );
  }

  await begin();
  return {
    directory,
    logs,
    async write(name, spec) {
      const text = JSON.stringify({
        apiVersion: 'vllm-slurm.dev/v1alpha1',
        kind: 'VLLMDeployment',
        metadata: { name },
        spec,
      });
      await writeFile(`${directory}/.${name}.new`, `${text}\n`);
      await rename(`${directory}/.${name}.new`, `${directory}/${name}.yaml`);
    },
    async remove(name) {
      await rm(`${directory}/${name}.yaml`);
      await until(`no job of ${name}`, async () => {
        const names = await bed.run('squeue', '-h', '-t', 'PD,CF,R,CG', '-o', '%j');
        return names.split('\n').some((job) => job.startsWith(`vllm.default.${name}.`)) ? undefined : true;
      });
    },
    tell: (...args) => run(COMMAND_MS, ...args),
    status,
    shows,
    async ready(name, deadlineMs) {
      const startMs = performance.now();
      await shows(name, 'Ready', deadlineMs, ({ conditions }) =>
        Boolean(conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')),
      );
      return Math.round(performance.now() - startMs);
    },
    said: () => said,
    async restart() {
      await end();
      await begin();
    },
    close: end,
  };
}
