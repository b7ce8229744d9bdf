import { chmod, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

export type NodeBedOptions = {
  /** Default 2. */
  readonly nodes?: number;
  /** Fake ones. Default 0. */
  readonly gpusPerNode?: number;
  /** slurmdbd and account `ml`. Default: no accounting. */
  readonly accounting?: boolean;
  readonly minJobAgeSeconds?: number;
  /** Silence after which a node counts as down. Default 20, SLURM's own is 300. */
  readonly slurmdTimeoutSeconds?: number;
  /** From TERM to KILL. Default 5, SLURM's own is 30. */
  readonly killWaitSeconds?: number;
  /** Paths that jobs need besides this checkout and Node.js, and that only root may reach on this machine. */
  readonly expose?: readonly string[];
};

export type Host = 'controller' | (string & {});
/** Jobs and the operator are `vllm`'s; `other` is somebody who must not see too much. */
export type User = 'root' | 'vllm' | 'other';

/** A real SLURM cluster whose hosts have processes, an address and a name of their own (`bed.sh`). */
export type NodeBed = {
  /** All hosts share it. */
  readonly directory: string;
  readonly nodeNames: readonly string[];
  /** Writable for `vllm` alone. */
  readonly home: string;
  /** Of the controller, as nodes reach it; fake services listen there. */
  readonly controllerAddress: string;
  addressOf(node: string): string;
  /** The argv that runs a command on a host, in an environment of its own. A signal to it does not reach the command. */
  command(host: Host, user: User, ...argv: readonly string[]): readonly [string, ...string[]];
  /** Runs it on the controller's host as `vllm`. @returns stdout, its last line break gone; throws when it fails */
  run(...argv: readonly string[]): Promise<string>;
  /** As `run`, anywhere as anybody. */
  on(host: Host, user: User, ...argv: readonly string[]): Promise<string>;
  /** Every process on it dies; its kernel still closes their connections. */
  killNode(node: string): Promise<void>;
  /** As when the power fails: not a word to anybody. */
  crashNode(node: string): Promise<void>;
  startNode(node: string): Promise<void>;
  /** Pulls its cable. */
  cutNode(node: string): Promise<void>;
  mendNode(node: string): Promise<void>;
  /** To the processes of a host whose command line matches. @returns how many */
  signal(host: Host, signal: 'KILL' | 'STOP' | 'CONT' | 'TERM', regex: string): Promise<number>;
  /** The controller answers nobody (it goes on). */
  freezeController(): Promise<void>;
  thawController(): Promise<void>;
  /** Every job the controller took, oldest first, by the clock of its log. */
  submissions(): Promise<readonly Submission[]>;
  /** Ends every process and removes the directory. */
  stop(): Promise<void>;
};

export type Submission = { readonly jobId: string; readonly atMs: number };

const BED_SH = fileURLToPath(new URL('./bed.sh', import.meta.url));
const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));
const SUBNET = '10.77.0';
/** Of `up` with packages to download; everything else takes seconds. */
const DEADLINE_MS = 600_000;

export async function startNodeBed(options: NodeBedOptions = {}): Promise<NodeBed> {
  const directory = await mkdtemp(join(tmpdir(), 'node-bed-'));
  await chmod(directory, 0o755);
  const nodes = options.nodes ?? 2;
  const settings = {
    BED_DIR: directory,
    BED_OWNER: String(process.pid),
    BED_NODES: String(nodes),
    BED_GPUS: String(options.gpusPerNode ?? 0),
    BED_ACCOUNTING: options.accounting ? '1' : '0',
    BED_MIN_JOB_AGE: String(options.minJobAgeSeconds ?? 300),
    BED_SLURMD_TIMEOUT: String(options.slurmdTimeoutSeconds ?? 20),
    BED_KILL_WAIT: String(options.killWaitSeconds ?? 5),
    BED_EXPOSE: [...(await ownPaths()), ...(options.expose ?? [])].join('\n'),
  };
  const logFile = `${directory}/log/slurmctld.log`;

  async function bed(...command: readonly string[]): Promise<string> {
    const { stdout } = await execa(BED_SH, command, { env: settings, timeout: DEADLINE_MS, stdin: 'ignore' });
    return stdout;
  }
  const act = async (...command: readonly string[]): Promise<void> => {
    await bed(...command);
  };

  const command: NodeBed['command'] = (host, user, ...argv) => [
    'env',
    `BED_DIR=${directory}`,
    BED_SH,
    'on',
    host,
    user,
    ...argv,
  ];

  async function on(host: Host, user: User, ...argv: readonly string[]): Promise<string> {
    const [program, ...args] = command(host, user, ...argv);
    const { stdout } = await execa(program, args, { timeout: 60_000, stdin: 'ignore' });
    return stdout;
  }

  async function stop(): Promise<void> {
    await bed('down');
    await rm(directory, { recursive: true, force: true });
  }

  try {
    await bed('up');
  } catch (cause) {
    const log = await readFile(logFile, 'utf8').catch(() => 'none');
    await stop();
    throw new Error(`no SLURM bed; the controller's log: ${log.slice(-2000)}`, { cause });
  }

  return {
    directory,
    nodeNames: Array.from({ length: nodes }, (_, i) => `node${String(i + 1).padStart(3, '0')}`),
    home: `${directory}/home/vllm`,
    controllerAddress: `${SUBNET}.1`,
    addressOf: (node) => `${SUBNET}.${10 + Number(node.slice('node'.length))}`,
    command,
    run: (...argv) => on('controller', 'vllm', ...argv),
    on,
    killNode: (node) => act('node-kill', node),
    crashNode: (node) => act('node-crash', node),
    startNode: (node) => act('node-start', node),
    cutNode: (node) => act('node-cut', node),
    mendNode: (node) => act('node-mend', node),
    signal: async (host, signal, regex) =>
      (await bed('signal', host, signal, regex)).split('\n').filter((pid) => pid !== '').length,
    freezeController: () => act('ctld-freeze'),
    thawController: () => act('ctld-thaw'),
    submissions: async () => submissionsIn(await readFile(logFile, 'utf8')),
    stop,
  };
}

/** What the operator is made of: this checkout, its packages when they are linked from elsewhere, and Node.js. */
async function ownPaths(): Promise<readonly string[]> {
  const node = await realpath(process.execPath);
  return [CHECKOUT.replace(/\/$/, ''), await realpath(join(CHECKOUT, 'node_modules')), dirname(dirname(node))];
}

/** `[2026-11-24T07:18:24.562] _slurm_rpc_submit_batch_job: JobId=2 …`, in the zone of this machine. */
function submissionsIn(log: string): readonly Submission[] {
  return [...log.matchAll(/^\[([^\]]+)\] _slurm_rpc_submit_batch_job: JobId=(\d+) /gm)].map(
    ([, at = '', jobId = '']) => ({
      jobId,
      atMs: Date.parse(at),
    }),
  );
}
