import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, open, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Spec, type SpecInput } from '../../src/api/spec.ts';
import { composeScript, type LaunchInput } from '../../src/launch/script.ts';
import { type LaunchVariables, launchVariables } from '../../src/launch/variables.ts';
import { type JobReport, readReport } from '../../src/slurm/identity.ts';
import { fakeSlurm } from './fake-slurm.ts';

/** Runs rendered scripts with bash as a compute node would, with programs of Slurm's that only pretend. */

const root = fileURLToPath(new URL('../../', import.meta.url));
export const serveBody = await readFile(path.join(root, 'config/launch/serve.sh'), 'utf8');
export const standIn = [process.execPath, path.join(root, 'src/standin/stand-in.ts')];

export const identity: LaunchInput['identity'] = {
  namespace: 'default',
  name: 'chat',
  replica: 0,
  attempt: 1,
  uid: '0f5c7d1e',
  generation: 3,
  specHash: 'ab38e5bf6eddf974',
  nonce: 'k3v9',
  owner: 'test-store',
};

export type RunningJob = {
  readonly jobId: string;
  readonly ownModelName: string;
  /** Of the batch shell; its process group is this too. */
  readonly pid: number;
  /** Fails, with the log, when the job has not ended by its deadline. */
  readonly exited: Promise<number>;
  /** Everything the job has said through its comment, oldest first. */
  reports(): Promise<readonly JobReport[]>;
  /** The comments themselves. */
  comments(): Promise<readonly string[]>;
  /** Waits for a report of this phase. */
  reached(phase: JobReport['phase']): Promise<JobReport>;
  log(): Promise<string>;
  makeSlurmHear(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** Whether the batch shell catches that signal by now, rather than to die of it. */
  traps(name: NodeJS.Signals): Promise<boolean>;
  /** Processes of this job that live, in whatever session, of one node or all: their environment says so. */
  processes(node?: string): Promise<readonly number[]>;
  /** The engine's process on a node. */
  engineOn(node: string): Promise<number>;
  /** The process of a node that holds its link to the first one. */
  linkOf(node: string): Promise<number>;
  /** Where the first node hears links. */
  linkDoor(): Promise<LinkDoor>;
  /** From now on this node runs nothing any more, and nobody is told. */
  loseNode(node: string): Promise<void>;
  /** From now on this node runs no command any more, and what runs there goes on. */
  deafenNode(node: string): Promise<void>;
};

export type LinkDoor = { readonly pid: number; readonly port: number; readonly key: string };

export type JobOptions = {
  /** Of the whole script; the operator's own unless told. */
  readonly render?: (input: LaunchInput) => string;
  /** Of the engine, beside what a trial has. */
  readonly engineArgs?: readonly string[];
  readonly spec?: Partial<SpecInput>;
  readonly variables?: Partial<LaunchVariables>;
  readonly jobId?: string;
  /** How many ports the job may choose from; 20 unless told. */
  readonly ports?: number;
  /** The first of them; else one nobody listens on at present. */
  readonly firstPort?: number;
  /** What the job inherits, beside PATH, HOME and what Slurm sets. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Nodes that run nothing from the start. */
  readonly lostNodes?: readonly string[];
  /** Reports fail until `makeSlurmHear`. */
  readonly slurmIsDeaf?: boolean;
  readonly secretFiles?: LaunchInput['secretFiles'];
  /** Of serve.sh, in seconds: tests do not wait as long as a cluster may. */
  readonly constants?: Readonly<Record<string, number>>;
  /** From the start to the end; three minutes unless told. It is for a machine that is very busy, no measure of anything. */
  readonly deadlineMs?: number;
  /** Put in front of PATH besides the fake programs of Slurm: name of a command to its shell text. */
  readonly commands?: Readonly<Record<string, string>>;
};

export type ComputeNode = {
  start(options?: JobOptions): Promise<RunningJob>;
  /** Ends what still runs and removes every file. */
  close(): Promise<void>;
};

export async function createComputeNode(): Promise<ComputeNode> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'vllm-slurm-node-'));
  const jobs: RunningJob[] = [];
  let started = 0;
  return {
    async start(options = {}) {
      const job = await startJob(path.join(directory, String(started++)), options);
      jobs.push(job);
      return job;
    },
    async close() {
      for (const job of jobs) for (const pid of await job.processes()) tryKill(pid, 'SIGKILL');
      await Promise.allSettled(jobs.map((job) => job.exited));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

let lastJobNumber = process.pid * 100;

async function startJob(directory: string, options: JobOptions): Promise<RunningJob> {
  const jobId = options.jobId ?? String(++lastJobNumber);
  const bin = path.join(directory, 'bin');
  const comments = path.join(directory, 'comments');
  await mkdir(bin, { recursive: true });
  await writeFile(comments, '');
  const deafness = path.join(directory, 'deaf');
  if (options.slurmIsDeaf) await writeFile(deafness, '');
  for (const node of options.lostNodes ?? []) await writeFile(path.join(directory, `lost-${node}`), '');
  const nodes = Array.from({ length: options.spec?.resources?.nodes ?? 1 }, (_, i) => `node00${i + 1}`);
  const commands = { ...fakeSlurm(directory, nodes), ...options.commands };
  for (const [name, text] of Object.entries(commands)) {
    await writeFile(path.join(bin, name), text);
    await chmod(path.join(bin, name), 0o755);
  }
  const script = path.join(directory, 'script');
  const ports = options.ports ?? 20;
  const low = options.firstPort ?? (await quietPorts(ports));
  const spec = Spec.parse({
    model: { uri: 'hf://stand-in/echo', name: 'echo', aliases: ['chat'] },
    resources: { gpusPerNode: 0 },
    engine: { type: 'stand-in', args: options.engineArgs ?? [] },
    endpoint: { portRange: `${low}-${low + ports - 1}` },
    ...options.spec,
  });
  const input: LaunchInput = {
    identity,
    spec,
    excludedNodes: [],
    body: withConstants(options.constants ?? {}),
    ...(options.secretFiles && { secretFiles: options.secretFiles }),
    site: {
      logDirectory: directory,
      secretDirectory: directory,
      portRange: { low, high: low + ports - 1 },
      defaults: { partitions: [] },
      standInCommand: standIn,
    },
  };
  const render = () => composeScript([], { ...launchVariables(input), ...options.variables }, input.body);
  await writeFile(script, options.render?.(input) ?? render());

  const log = path.join(directory, 'job.log');
  const output = await open(log, 'a');
  const child = spawn('/bin/bash', [script], {
    cwd: directory,
    env: {
      ...options.environment,
      PATH: `${bin}:${process.env.PATH}`,
      HOME: directory,
      SLURM_JOB_ID: jobId,
      SLURMD_NODENAME: 'node001',
      SLURM_JOB_NODELIST: nodes.join(','),
    },
    stdio: ['ignore', output.fd, output.fd],
    detached: true,
  });
  const { deadlineMs = 180_000 } = options;
  const exited = new Promise<number>((resolve, reject) => {
    const deadline = setTimeout(async () => {
      const text = await readFile(log, 'utf8').catch(String);
      reject(new Error(`has not ended within ${deadlineMs} ms:\n${text}`));
    }, deadlineMs);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      clearTimeout(deadline);
      resolve(code ?? 128 + os.constants.signals[signal ?? 'SIGKILL']);
    });
  });
  exited
    .catch(() => {}) // for whoever waits for it, and nobody may
    .then(() => options.firstPort ?? giveBack(portsFrom(low, ports)));
  await output.close();

  const readComments = async () => (await readFile(comments, 'utf8')).split('\n').filter(Boolean);
  const reports = async () => (await readComments()).map(readReport);
  const job: RunningJob = {
    jobId,
    ownModelName: `vllm-slurm--job-${jobId}`,
    pid: child.pid ?? 0,
    exited,
    reports,
    comments: readComments,
    log: () => readFile(log, 'utf8'),
    makeSlurmHear: () => rm(deafness),
    signal: (name) => child.kill(name),
    async traps(name) {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      const caught = BigInt(`0x${/^SigCgt:\s*(\w+)/m.exec(status)?.[1] ?? '0'}`);
      return ((caught >> BigInt(os.constants.signals[name] - 1)) & 1n) === 1n;
    },
    processes: (node) => processesOfJob(jobId, node),
    async engineOn(node) {
      for (const pid of await processesOfJob(jobId, node)) {
        const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
        if (command.startsWith(`${process.execPath}\0`)) return pid;
      }
      throw new Error(`no engine on ${node}`);
    },
    async linkOf(node) {
      for (const pid of await processesOfJob(jobId, node)) {
        const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
        if (command.startsWith('bash\0') && (await socketsOf(pid)) > 0) return pid;
      }
      throw new Error(`no link of ${node}`);
    },
    async linkDoor() {
      for (const pid of await processesOfJob(jobId, 'node001')) {
        const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
        if (!command[2]?.includes('selectors')) continue;
        const environment = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
        const key = environment.find((one) => one.startsWith('LINK_KEY='))?.slice('LINK_KEY='.length) ?? '';
        return { pid, port: Number(command[6]), key };
      }
      throw new Error('nobody hears links');
    },
    deafenNode: (node) => writeFile(path.join(directory, `lost-${node}`), ''),
    async loseNode(node) {
      await job.deafenNode(node);
      for (const pid of await processesOfJob(jobId, node)) tryKill(pid, 'SIGKILL');
    },
    async reached(phase) {
      let over = false;
      exited.finally(() => (over = true)).catch(() => {});
      const found = await eventually(async () => {
        const last = over;
        const report = (await reports()).find((one) => one.phase === phase);
        return report ?? (last ? 'ended' : undefined);
      });
      if (found === 'ended') throw new Error(`ended before it was ${phase}:\n${await readFile(log, 'utf8')}`);
      return found;
    },
  };
  return job;
}

function withConstants(constants: Readonly<Record<string, number>>): string {
  return Object.entries(constants).reduce((body, [name, value]) => {
    const line = new RegExp(`^${name}=\\d+`, 'm');
    if (!line.test(body)) throw new Error(`serve.sh has no ${name}`);
    return body.replace(line, `${name}=${value}`);
  }, serveBody);
}

/** Polls until there is an answer. The deadline is for a machine that is very busy, no measure of anything. */
export async function eventually<T>(look: () => Promise<T | undefined>, deadlineMs = 60_000): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Test files run side by side: a file looks in two hundred of its own. */
const OWN_PORTS = { low: 21_000 + (process.pid % 44) * 200, count: 200 };
/** Tests in a file run side by side too: what one was given is no other's, and a job's is again once it has ended. */
const given = new Set<number>();
let lookFrom = 0;

const portsFrom = (low: number, count: number): readonly number[] => Array.from({ length: count }, (_, i) => low + i);

/**
 * A start of `count` ports nobody listens on at present, below those the kernel gives away; of such, the ones that were
 * not used for the longest: connections of their last owner may still wait for their time to end, which makes a port one
 * that a job passes over. While jobs beside this one hold so many that there is none, their ends are waited for.
 */
export function quietPorts(count: number): Promise<number> {
  return eventually(async () => {
    const starts = OWN_PORTS.count - count + 1;
    for (let tried = 0; tried < starts; tried++) {
      const low = OWN_PORTS.low + (lookFrom++ % starts);
      const ports = portsFrom(low, count);
      if (ports.some((port) => given.has(port))) continue;
      for (const port of ports) given.add(port); // before anything is awaited
      if ((await Promise.all(ports.map(isFree))).every(Boolean)) {
        lookFrom += count - 1;
        return low;
      }
      giveBack(ports);
    }
    return undefined;
  });
}

function giveBack(ports: readonly number[]): void {
  for (const port of ports) given.delete(port);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}

async function processesOfJob(jobId: string, node?: string): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const living = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      const variables = environment.split('\0');
      const isOnNode = node === undefined || variables.includes(`SLURMD_NODENAME=${node}`);
      return isOnNode && variables.includes(`SLURM_JOB_ID=${jobId}`) ? [Number(pid)] : [];
    }),
  );
  return living.flat();
}

async function socketsOf(pid: number): Promise<number> {
  const directory = `/proc/${pid}/fd`;
  const files = await readdir(directory).catch(() => []);
  const targets = await Promise.all(files.map((file) => readlink(`${directory}/${file}`).catch(() => '')));
  return targets.filter((target) => target.startsWith('socket:')).length;
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself in between.
  }
}
