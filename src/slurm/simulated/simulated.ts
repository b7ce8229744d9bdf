import type { Clock } from '../../clock.ts';
import { err, ok, type Result } from '../../result.ts';
import { readDirectives } from '../directives.ts';
import { JOB_NAME_PREFIX } from '../identity.ts';
import type { JobEnding, JobRef } from '../job.ts';
import { type Partition, refusal } from '../scheduler.ts';
import type {
  Cancellation,
  Credentials,
  EquippedNode,
  Inventory,
  Listing,
  NodeInfo,
  Slurm,
  SlurmError,
  Submission,
} from '../slurm.ts';
import { type Behaviour, serves } from './behaviour.ts';
import { type Control, createControl } from './control.ts';
import { type CallName, createFaults, type Effect, type FaultRule } from './faults.ts';
import { createHistory } from './history.ts';
import { createInspection, type Inspection, type RecordedCall } from './inspection.ts';
import { createRandom, type Random } from './random.ts';
import { advance, step } from './step.ts';
import { endingOf, listed } from './view.ts';
import type { NewJob, SimNode, World, WorldEvent } from './world.ts';

export type SimulatedOptions = {
  readonly clock: Clock;
  /** Of all chance in it. Default 1. */
  readonly seed?: number;
  readonly cluster?: string;
  readonly user?: string;
  /** Others jobs may be submitted as. Default: none, and only jobs of `user` are listed. */
  readonly otherUsers?: readonly string[];
  /** Default: four nodes of 16 CPUs and 4 GPUs. */
  readonly nodes?: readonly { readonly name: string; readonly cpus: number; readonly gpus: number }[];
  /** The first is the default. Default: one, `gpu`, with every node and no limits. */
  readonly partitions?: readonly Partition[];
  /** From submission until the scheduler looks. Default 1 s. */
  readonly startDelayMs?: number;
  /** Default 300 s. */
  readonly minJobAgeMs?: number;
  readonly firstId?: number;
  /** The id after which they begin again. */
  readonly lastId?: number;
  readonly accounting?: Accounting;
  /** What the next job of ours does. Default: it comes up and serves. */
  readonly behave?: (job: SubmittedJob, random: Random) => Behaviour;
};
/** `lagMs`: an ending shows in `history` that much later. */
export type Accounting = 'off' | { readonly lagMs: number };
export type SubmittedJob = Omit<NewJob, 'behaviour'> & {
  /** Counts all submissions from 0. */
  readonly serial: number;
};
export type SimulatedSlurm = {
  readonly slurm: Slurm;
  /** For tests: makes things happen. */
  readonly control: Control;
  /** For tests: sees what is really so, whatever Slurm answers. */
  readonly inspect: Inspection;
};

/** A cluster that exists only in memory and in the time of `clock`. Deterministic: same seed and calls, same answers. */
export function createSimulatedSlurm(options: SimulatedOptions): SimulatedSlurm {
  const { clock, user = 'vllm', otherUsers = [], cluster = 'simulated' } = options;
  const severalUsers = otherUsers.length > 0;
  const users = [user, ...otherUsers];
  const random = createRandom(options.seed ?? 1);
  const faults = createFaults(random);
  const history = createHistory(firstWorld(options));
  const calls: RecordedCall[] = [];
  let behave =
    options.behave ?? ((job: SubmittedJob): Behaviour => serves({ port: 20_000 + ((job.serial * 3) % 10_000) }));
  let isPrivate = false;
  let accounting: Accounting = options.accounting ?? { lagMs: 0 };

  const present = (): World => history.record(advance(history.now(), clock.now()));
  const happen = (event: WorldEvent): World => history.record(step(present(), event));
  function later(afterMs: number, event: WorldEvent): void {
    const world = present();
    history.record({ ...world, pending: [...world.pending, { atMs: world.nowMs + afterMs, event }] });
  }
  /** Carries out what a call asked for, as far as the fault lets it. */
  function take(effect: Effect, event: WorldEvent): void {
    if (effect === 'none') return;
    if (effect === 'now') happen(event);
    else later('afterMs' in effect ? effect.afterMs : Math.floor(random() * effect.withinMs), event);
  }

  /** Keeps the log, lets the fault that strikes answer instead of the cluster, and brings late answers late. */
  async function answer<T>(
    name: CallName,
    about: Pick<RecordedCall, 'jobNames' | 'jobIds' | 'script'>,
    respond: (rule: FaultRule | undefined) => Result<T, SlurmError>,
  ): Promise<Result<T, SlurmError>> {
    const nowMs = clock.now();
    present();
    const rule = faults.strike({ name, jobNames: about.jobNames, nowMs });
    const failed = rule && plainFailure(name, rule);
    const result = failed ? err(failed) : respond(rule);
    calls.push({ ...about, name, atMs: nowMs, fault: rule?.fault.kind, result });
    if (rule?.answersAfterMs) await new Promise<void>((resolve) => clock.after(rule.answersAfterMs ?? 0, resolve));
    return result;
  }

  function submit({ name, script, as }: Submission): Promise<Result<string, SlurmError>> {
    return answer('submit', { jobNames: [name], jobIds: [], script }, (rule) => {
      const wanted = readSubmission(name, script, as?.user ?? user, present());
      if (!wanted.ok) return err({ kind: 'rejected', message: wanted.error });
      if (rule?.fault.kind === 'lost') return ok(String(present().nextId));
      const behaviour = behave({ ...wanted.value, serial: present().nextSerial }, random);
      const event: WorldEvent = { kind: 'submitted', job: { ...wanted.value, behaviour } };
      if (rule?.fault.kind === 'unknown') {
        take(rule.fault.effect ?? 'none', event);
        return err({ kind: 'unknown', message: 'Socket timed out on send/recv operation' });
      }
      return ok(happen(event).jobs.at(-1)?.id ?? '');
    });
  }

  function cancel({ as, ...ref }: Cancellation): Promise<Result<void, SlurmError>> {
    return answer('cancel', { jobNames: [ref.name], jobIds: [ref.id] }, (rule) => {
      const job = present().jobs.find(
        (one) => one.id === ref.id && one.name === ref.name && one.user === (severalUsers ? ref.user : user),
      );
      if (job && job.user !== (as?.user ?? user)) return err({ kind: 'rejected', message: 'Access/permission denied' });
      const fault = rule?.fault;
      const effect = fault?.kind === 'unknown' ? (fault.effect ?? 'none') : fault?.kind === 'lost' ? 'none' : 'now';
      if (job) take(effect, { kind: 'cancelled', serial: job.serial });
      if (fault?.kind === 'unknown')
        return err({ kind: 'unknown', message: 'Socket timed out on send/recv operation' });
      return ok(undefined);
    });
  }

  function list(name: 'listJobs' | 'listJobsAs', asker: string): Promise<Result<Listing, SlurmError>> {
    return answer(name, NOBODY, (rule) => {
      const world = rule?.fault.kind === 'stale' ? history.at(clock.now() - rule.fault.ageMs) : present();
      const shown = world.jobs.filter((job) => job.user === asker || (severalUsers && !isPrivate));
      const jobs = shown.filter((job) => job.name.startsWith(JOB_NAME_PREFIX)).map(listed);
      return ok({ jobs, askedAtMs: clock.now(), ...(severalUsers && { user: asker }) });
    });
  }

  function describe(refs: readonly JobRef[]): Promise<Result<readonly JobEnding[], SlurmError>> {
    const about = { jobNames: refs.map((ref) => ref.name), jobIds: refs.map((ref) => ref.id) };
    return answer('describe', about, () => {
      const meant = present().jobs.filter((job) => refs.some((ref) => ref.id === job.id && ref.name === job.name));
      return ok(meant.flatMap(endingOf));
    });
  }

  function ended(names: readonly string[], sinceMs: number): Promise<Result<readonly JobEnding[], SlurmError>> {
    return answer('history', { jobNames: names, jobIds: [] }, () => {
      if (accounting === 'off') return err({ kind: 'rejected', message: 'Slurm accounting storage is disabled' });
      const knownMs = clock.now() - accounting.lagMs;
      const { jobs, forgotten } = present();
      const meant = [...forgotten, ...jobs].filter(
        (job) =>
          users.includes(job.user) &&
          names.includes(job.name) &&
          job.submitMs >= sinceMs &&
          (job.endMs ?? 0) <= knownMs,
      );
      return ok(meant.flatMap(endingOf));
    });
  }

  function nodes(): Promise<Result<readonly NodeInfo[], SlurmError>> {
    return answer('nodes', NOBODY, () => ok(present().nodes.map((node) => nodeInfo(node, present()))));
  }

  function inventory(): Promise<Result<Inventory, SlurmError>> {
    return answer('inventory', NOBODY, () => ok({ nodes: present().nodes.map((node) => equipped(node, present())) }));
  }

  const slurm: Slurm = {
    cluster,
    listJobs: () => list('listJobs', user),
    ...(severalUsers && { listJobsAs: (as: Credentials) => list('listJobsAs', as.user) }),
    describe,
    history: ended,
    submit,
    cancel,
    nodes,
    inventory,
    close: async () => {},
  };
  const control = createControl({
    user,
    faults,
    happen,
    later,
    past: (ageMs) => history.at(clock.now() - ageMs),
    present,
    setBehaviour: (next) => {
      behave = next;
    },
    setAccounting: (next) => {
      accounting = next;
    },
    setPrivate: (next) => {
      isPrivate = next;
    },
  });
  return { slurm, control, inspect: createInspection({ users, present, calls }) };
}

const NOBODY = { jobNames: [], jobIds: [] } as const;

const DEFAULT_NODES = ['node001', 'node002', 'node003', 'node004'].map((name) => ({ name, cpus: 16, gpus: 4 }));

function firstWorld(options: SimulatedOptions): World {
  const nodes = (options.nodes ?? DEFAULT_NODES).map((node, index) => ({
    ...node,
    address: `10.0.${index >> 8}.${index & 255}`,
    up: true,
    connected: true,
  }));
  const everywhere = { nodes: nodes.map((node) => node.name), maxTimeSeconds: Number.POSITIVE_INFINITY };
  const ids = { first: options.firstId ?? 1, last: options.lastId ?? 67_043_328 };
  return {
    nowMs: options.clock.now(),
    nextId: ids.first,
    nextSerial: 0,
    jobs: [],
    forgotten: [],
    nodes,
    pending: [],
    rules: {
      partitions: options.partitions ?? [{ name: 'gpu', maxNodes: nodes.length, ...everywhere }],
      startDelayMs: options.startDelayMs ?? 1000,
      minJobAgeMs: options.minJobAgeMs ?? 300_000,
      completingMs: 0,
      ids,
      namesFailedNodes: true,
      hold: undefined,
    },
  };
}

/** Failures that look the same whatever was asked, and do nothing. */
function plainFailure(name: CallName, { fault }: FaultRule): SlurmError | undefined {
  if (fault.kind === 'unreachable')
    return { kind: 'unreachable', message: 'Unable to contact slurm controller (connect failure)' };
  if (fault.kind === 'rejected') return { kind: 'rejected', message: fault.message };
  if (fault.kind === 'unknown' && name !== 'submit' && name !== 'cancel')
    return { kind: 'unknown', message: 'the answer ends before its end marker' };
  return undefined;
}

function readSubmission(
  name: string,
  script: string,
  user: string,
  world: World,
): Result<Omit<NewJob, 'behaviour'>, string> {
  const read = readDirectives(script);
  if (!read.ok) return read;
  const { jobName, comment, request, warning } = read.value;
  const refused = refusal(request, { nodes: world.nodes, partitions: world.rules.partitions });
  if (refused !== undefined) return err(`Batch job submission failed: ${refused}`);
  return ok({
    name: jobName ?? name,
    user,
    comment,
    request,
    ...(warning && { warnBeforeMs: warning.beforeSeconds * 1000 }),
  });
}

function nodeInfo(node: SimNode, world: World): NodeInfo {
  const busy = world.jobs.some((job) => job.phase !== 'ended' && job.grants.some((grant) => grant.node === node.name));
  return { name: node.name, address: node.address, state: node.up ? (busy ? 'mixed' : 'idle') : 'down' };
}

function equipped(node: SimNode, world: World): EquippedNode {
  const grants = world.jobs.flatMap((job) => (job.phase === 'ended' ? [] : job.grants));
  const used = grants.reduce((sum, grant) => sum + (grant.node === node.name ? grant.gpus.length : 0), 0);
  return { ...nodeInfo(node, world), gpus: node.gpus === 0 ? [] : [{ type: '', total: node.gpus, used }] };
}
