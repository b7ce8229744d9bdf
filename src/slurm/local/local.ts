import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../clock.ts';
import { err, ok, type Result } from '../../result.ts';
import { readDirectives } from '../directives.ts';
import { JOB_NAME_PREFIX } from '../identity.ts';
import type { JobEnding, JobRef } from '../job.ts';
import { type NodeSlots, type Partition, refusal } from '../scheduler.ts';
import type { Inventory, Listing, NodeInfo, Slurm, SlurmError, Submission } from '../slurm.ts';
import { inheritable } from './environment.ts';
import { createJobFiles, writeWhole } from './job-files.ts';
import { createJobLife } from './life.ts';
import { lockDirectory } from './lock.ts';
import { killCarriers } from './process.ts';
import { ending, isEnded, isStarted, type JobRecord, listed, PARTITION, type PendingRecord } from './record.ts';

export type LocalOptions = {
  /** Holds the jobs; made if it is not there. One operator at a time. */
  readonly directory: string;
  readonly clock: Clock;
  /** Slots, not devices, unless `gpusAreReal`: a machine without a GPU may have four. */
  readonly gpus: number;
  readonly cpus: number;
  /** Default `localhost`. */
  readonly nodeName?: string;
  /** Default `local`. */
  readonly cluster?: string;
  /** Granted slots become CUDA_VISIBLE_DEVICES. Default false. */
  readonly gpusAreReal?: boolean;
  /** What jobs inherit. Default: a few harmless variables of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** A job's output beyond this is cut to its later half. Default 64 MiB. */
  readonly maxLogBytes?: number;
  /** Between TERM and KILL. Default 5 s. */
  readonly killWaitMs?: number;
  /** Ended jobs stay in the listing that long. Default 300 s. */
  readonly minJobAgeMs?: number;
  /** Ended jobs stay in `history` that long. Default 7 days. */
  readonly historyMs?: number;
};

export type LocalCluster = Slurm & {
  /** Ends every job of this directory and waits until no process of them is left. */
  cancelAll(): Promise<void>;
  /** Kills a running job's processes behind its back, as a fault would. @returns how many there were */
  kill(jobId: string): number;
};

const ADDRESS = '127.0.0.1';
const TICK_MS = 1000;
const TICKS_BETWEEN_LOG_CHECKS = 10;
/** Beyond KillWait: a process that even KILL does not end is stuck in the kernel. */
const CANCEL_ALL_GRACE_MS = 30_000;

/**
 * Runs jobs as processes of this machine, with Slurm's words and for the same scripts. Linux only: it reads /proc.
 * Jobs outlive the operator; the next one on the directory finds them.
 * @returns the cluster, or why the directory cannot be used
 */
export async function createLocalCluster(options: LocalOptions): Promise<Result<LocalCluster, string>> {
  if (!existsSync('/proc/self/stat')) return err('the local cluster needs Linux: there is no /proc here');
  const directory = resolve(options.directory);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const lock = await lockDirectory(directory);
    if (!lock.ok) return lock;
    try {
      return ok(openCluster({ ...options, directory }, lock.value));
    } catch (error) {
      lock.value();
      throw error;
    }
  } catch (error) {
    return err(`${directory}: ${messageOf(error)}`);
  }
}

function openCluster(options: LocalOptions, unlock: () => void): LocalCluster {
  const { clock, directory } = options;
  const { nodeName = 'localhost', cluster = 'local', killWaitMs = 5000 } = options;
  const user = userInfo().username;
  const node: NodeSlots = { name: nodeName, cpus: options.cpus, gpus: options.gpus, up: true };
  const partition: Partition = { name: PARTITION, nodes: [nodeName], maxNodes: 1, maxTimeSeconds: Infinity };
  installPrograms(directory);

  const files = createJobFiles(directory);
  const life = createJobLife({
    files,
    clock,
    place: {
      cluster,
      node,
      partition,
      killWaitMs,
      environment: options.environment ?? inheritable(process.env),
      gpusAreReal: options.gpusAreReal ?? false,
      binDirectory: join(directory, 'bin'),
      keeperProgram: join(directory, 'job.sh'),
      minJobAgeMs: options.minJobAgeMs ?? 300_000,
      historyMs: options.historyMs ?? 7 * 86_400_000,
      maxLogBytes: options.maxLogBytes ?? 64 * 2 ** 20,
    },
    onExit: refreshQuietly,
  });
  let open = true;

  /** Trouble with the disk is told by the next call that is asked something, and tried again each tick. */
  function refreshQuietly(): void {
    if (open) attempt(life.refresh, 'unknown');
  }

  /** What a call answers is fresh, or it answers that nothing is known. */
  function answer<T>(kind: SlurmError['kind'], respond: () => T): Result<T, SlurmError> {
    if (!open) return err({ kind: 'unreachable', message: 'the local cluster is closed' });
    return attempt(() => {
      life.refresh();
      return respond();
    }, kind);
  }

  async function listJobs(): Promise<Result<Listing, SlurmError>> {
    const askedAtMs = clock.now();
    return answer('unknown', () => {
      const known = life.all().filter((record) => record.name.startsWith(JOB_NAME_PREFIX) && !isPurged(record));
      return { jobs: known.map(withComment).map((record) => listed(record, nodeName)), askedAtMs };
    });
  }

  function withComment(record: JobRecord): JobRecord {
    return isStarted(record) ? { ...record, comment: files.comment(record.id) ?? record.comment } : record;
  }

  async function describe(refs: readonly JobRef[]): Promise<Result<readonly JobEnding[], SlurmError>> {
    return answer('unreachable', () =>
      life
        .all()
        .filter(isEnded)
        .filter((record) => !record.purged && refs.some((ref) => ref.id === record.id && ref.name === record.name))
        .map((record) => ending(record, nodeName)),
    );
  }

  async function history(names: readonly string[], sinceMs: number): Promise<Result<readonly JobEnding[], SlurmError>> {
    return answer('unreachable', () =>
      life
        .all()
        .filter(isEnded)
        .filter((record) => names.includes(record.name) && record.submitMs >= sinceMs)
        .map((record) => ending(record, nodeName)),
    );
  }

  async function submit({ name, script }: Submission): Promise<Result<string, SlurmError>> {
    const read = readDirectives(script);
    if (!read.ok) return err({ kind: 'rejected', message: read.error });
    const { jobName, comment, request } = read.value;
    const refused = refusal(request, { nodes: [node], partitions: [partition] });
    if (refused !== undefined) return err({ kind: 'rejected', message: `Batch job submission failed: ${refused}` });
    const submitted = answer('unreachable', () => {
      const id = files.takeId();
      const token = `VLLM_SLURM_LOCAL_JOB=${randomUUID()}`;
      const head = { id, name: jobName ?? name, user, comment, submitMs: clock.now(), token };
      life.add({ ...head, phase: 'pending', reason: 'None' } satisfies PendingRecord, script);
      return id;
    });
    refreshQuietly();
    return submitted;
  }

  async function cancel(ref: JobRef): Promise<Result<void, SlurmError>> {
    return answer('unreachable', () => {
      for (const record of life.all()) if (record.id === ref.id && record.name === ref.name) life.end(record);
    });
  }

  async function nodes(): Promise<Result<readonly NodeInfo[], SlurmError>> {
    return answer('unreachable', () => {
      const state = life.all().some(isStarted) ? 'mixed' : 'idle';
      return [{ name: nodeName, address: ADDRESS, state }];
    });
  }

  async function inventory(): Promise<Result<Inventory, SlurmError>> {
    const known = await nodes();
    if (!known.ok) return known;
    const used = life.all().reduce((sum, record) => sum + (isStarted(record) ? record.gpus.length : 0), 0);
    const gpus = node.gpus === 0 ? [] : [{ type: '', total: node.gpus, used }];
    return ok({ nodes: known.value.map((one) => ({ ...one, gpus })) });
  }

  async function cancelAll(): Promise<void> {
    const untilMs = Date.now() + killWaitMs + CANCEL_ALL_GRACE_MS;
    const live = () => life.all().filter((record) => !isEnded(record));
    while (live().length > 0 && Date.now() < untilMs) {
      attempt(() => {
        life.refresh();
        for (const record of live()) life.end(record);
      }, 'unreachable');
      await delay(50);
    }
  }

  function kill(jobId: string): number {
    const record = life.all().find((one) => one.id === jobId);
    return record && isStarted(record) ? killCarriers(record.token) : 0;
  }

  let ticks = 0;
  let stopTicking = (): void => {};
  function tick(): void {
    refreshQuietly();
    ticks += 1;
    if (ticks % TICKS_BETWEEN_LOG_CHECKS === 0) attempt(life.capOutputs, 'unknown');
    stopTicking = clock.after(TICK_MS, tick);
  }

  async function close(): Promise<void> {
    if (!open) return;
    open = false;
    stopTicking();
    unlock();
  }

  tick();
  return { cluster, listJobs, describe, history, submit, cancel, nodes, inventory, close, cancelAll, kill };
}

/** The keeper and the commands a job calls, as copies that stay when this package moves or is upgraded. */
function installPrograms(directory: string): void {
  const shipped = (name: string): string => readFileSync(new URL(`shell/${name}.sh`, import.meta.url), 'utf8');
  mkdirSync(join(directory, 'bin'), { recursive: true });
  writeWhole(join(directory, 'job.sh'), shipped('job'), 0o700);
  for (const name of ['scontrol', 'scancel']) writeWhole(join(directory, 'bin', name), shipped(name), 0o700);
}

const isPurged = (record: JobRecord): boolean => isEnded(record) && record.purged;

function attempt<T>(run: () => T, kind: SlurmError['kind']): Result<T, SlurmError> {
  try {
    return ok(run());
  } catch (error) {
    return err({ kind, message: messageOf(error) });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
