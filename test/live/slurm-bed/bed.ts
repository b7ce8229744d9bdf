import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

/** 22.05 is this machine's own; the others are those of later Debian releases, made in the cache once (`root.sh`). */
export const BED_VERSIONS = ['22.05', '24.11', '26.05'] as const;
export type BedVersion = (typeof BED_VERSIONS)[number];

export type BedOptions = {
  /** Default 22.05. */
  readonly version?: BedVersion;
  /** slurmdbd, account `ml`, QOS `tiny` that allows one job a user. Default: no accounting. */
  readonly accounting?: boolean;
  /** slurmrestd, with tokens; 22.05's wants accounting. Default: none. */
  readonly rest?: boolean;
  /** Default 4. */
  readonly nodes?: number;
  /** Default 4, fake ones. */
  readonly gpusPerNode?: number;
  /** How long an ended job stays on record. Default 300 as SLURM's own; the sweep may take as long again. */
  readonly minJobAgeSeconds?: number;
  /** Until a client gives up on a silent controller. Default 10 as SLURM's own. */
  readonly messageTimeoutSeconds?: number;
  /** What every job finds, as a site's profile would have it. One line each. */
  readonly jobEnvironment?: Readonly<Record<string, string>>;
};

/** A real SLURM cluster on this machine (`bed.sh`), used as root; `asUser` is somebody else. */
export type Bed = {
  readonly directory: string;
  /** What its programs say they are: `24.11.5`. */
  readonly version: string;
  /** For programs of SLURM's and for the operator: where the cluster is, and the programs if not on our own PATH. */
  readonly env: Readonly<Record<string, string>>;
  readonly nodeNames: readonly string[];
  readonly gpusPerNode: number;
  /** Answers with stdout, its last line break gone; throws when the command fails. */
  run(...command: readonly string[]): Promise<string>;
  /** As `run`, as the unprivileged user `nobody`. */
  asUser(...command: readonly string[]): Promise<string>;
  /** Where slurmrestd answers, with `rest`. */
  readonly restUrl: string;
  /** Of a slurmrestd of `nobody`'s own, without tokens. */
  readonly restSocket: string;
  /** What `scontrol token` gives: root may ask for anybody's. */
  token(user: string, lifespanSeconds: number): Promise<string>;
  stopRest(): Promise<void>;
  startRest(): Promise<void>;
  stopController(): Promise<void>;
  /** As a crash would: what it has not saved is lost. */
  killController(): Promise<void>;
  startController(): Promise<void>;
  /** It accepts connections and never answers. */
  freezeController(): Promise<void>;
  thawController(): Promise<void>;
  stopAccounting(): Promise<void>;
  startAccounting(): Promise<void>;
  setNode(name: string, state: 'down' | 'resume'): Promise<void>;
  /** Ends every job and daemon and removes the directory. */
  stop(): Promise<void>;
};

/** @returns the reason to skip; undefined where a bed can be, and in CI, where a skipped test would be no test */
export function whyNoBed(): string | undefined {
  if (process.env.CI) return undefined;
  if (process.getuid?.() !== 0) return 'a SLURM bed needs root';
  return existsSync('/etc/debian_version') ? undefined : 'a SLURM bed needs Debian packages';
}

/**
 * Debian's unstable is another one every day: what it cannot give today is no fault of ours. All else has to be there.
 * @returns why it cannot be had
 */
export async function whyNoVersion(version: BedVersion): Promise<string | undefined> {
  if (version !== '26.05') return undefined;
  const env = { BED_DIR: tmpdir(), BED_VERSION: version };
  const made = await execa(BED_SH, ['root'], { env, timeout: DEADLINE_MS, stdin: 'ignore', reject: false });
  return made.exitCode === 0 ? undefined : `Debian's unstable does not give it today: ${made.stderr.slice(-500)}`;
}

/** The ends of the files of a directory, and of others. */
async function ends(directory: string, ...others: readonly string[]): Promise<string> {
  const names = await readdir(directory).catch(() => []);
  const texts = [...names.map((name) => join(directory, name)), ...others].map(
    async (file) => `${file}: ${(await readFile(file, 'utf8').catch(() => 'none')).slice(-2000)}`,
  );
  return (await Promise.all(texts)).join('\n');
}

const BED_SH = fileURLToPath(new URL('./bed.sh', import.meta.url));
/** Of `up` with packages to download; everything else takes seconds. */
const DEADLINE_MS = 600_000;

/** Daemons that start beside much else may come too late: tried once more, and told. */
export function startBed(options: BedOptions = {}): Promise<Bed> {
  return bringUp(options).catch((error: Error) => {
    process.stderr.write(`${error.message}\nonce more\n`);
    return bringUp(options);
  });
}

async function bringUp(options: BedOptions): Promise<Bed> {
  const directory = await mkdtemp(join(tmpdir(), 'slurm-bed-'));
  const nodes = options.nodes ?? 4;
  const gpusPerNode = options.gpusPerNode ?? 4;
  const version = options.version ?? '22.05';
  const binDirectory = version === '22.05' ? undefined : `${directory}/bin`;
  const env = {
    SLURM_CONF: `${directory}/etc/slurm.conf`,
    ...(binDirectory && { PATH: `${binDirectory}:${process.env.PATH}` }),
  };
  const settings = {
    BED_DIR: directory,
    BED_VERSION: version,
    BED_OWNER: String(process.pid),
    BED_REST: options.rest ? '1' : '0',
    BED_NODES: String(nodes),
    BED_GPUS: String(gpusPerNode),
    BED_ACCOUNTING: options.accounting ? '1' : '0',
    BED_MIN_JOB_AGE: String(options.minJobAgeSeconds ?? 300),
    BED_MESSAGE_TIMEOUT: String(options.messageTimeoutSeconds ?? 10),
    BED_TASK_PROLOG: options.jobEnvironment ? `${directory}/task-prolog` : '',
  };

  async function bed(...command: readonly string[]): Promise<void> {
    await execa(BED_SH, command, { env: settings, timeout: DEADLINE_MS, stdin: 'ignore' });
  }

  async function run(...[program = '', ...args]: readonly string[]): Promise<string> {
    const { stdout } = await execa(program, args, { env, cwd: '/', timeout: 60_000, stdin: 'ignore' });
    return stdout;
  }

  async function stop(): Promise<void> {
    await bed('down');
    await rm(directory, { recursive: true, force: true });
  }

  try {
    if (options.jobEnvironment) await writeTaskProlog(settings.BED_TASK_PROLOG, options.jobEnvironment);
    await bed('up');
  } catch (cause) {
    const told = await ends(`${directory}/log`, `${directory}/munge/log`);
    await stop();
    throw new Error(`no SLURM bed: ${(cause as Error).message}\n${told}`, { cause });
  }

  const restPort = /^BED_REST_PORT=(\d+)$/m.exec(await readFile(`${directory}/settings`, 'utf8'))?.[1] ?? '0';
  return {
    directory,
    version: (await run('sinfo', '--version')).replace(/^\S+ /, ''),
    env,
    restUrl: `http://127.0.0.1:${restPort}`,
    restSocket: `${directory}/rest/socket`,
    async token(user, lifespanSeconds) {
      const said = await run('scontrol', 'token', `username=${user}`, `lifespan=${lifespanSeconds}`);
      return said.replace('SLURM_JWT=', '').trim();
    },
    stopRest: () => bed('rest-stop'),
    startRest: () => bed('rest-start'),
    gpusPerNode,
    nodeNames: Array.from({ length: nodes }, (_, i) => `node${String(i + 1).padStart(3, '0')}`),
    run,
    asUser: (...command) => run('setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', ...command),
    stopController: () => bed('ctld-stop'),
    killController: () => bed('ctld-kill'),
    startController: () => bed('ctld-start'),
    freezeController: () => bed('ctld-freeze'),
    thawController: () => bed('ctld-thaw'),
    stopAccounting: () => bed('dbd-stop'),
    startAccounting: () => bed('dbd-start'),
    setNode: (name, state) => bed(state === 'down' ? 'node-down' : 'node-up', name),
    stop,
  };
}

/** What it prints, `export NAME=value`, SLURM puts into the environment of each job. */
async function writeTaskProlog(file: string, environment: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(environment).map(([name, value]) => `export ${name}=${value}`);
  await writeFile(file, ['#!/bin/sh', "cat <<'END'", ...lines, 'END', ''].join('\n'), { mode: 0o755 });
}
