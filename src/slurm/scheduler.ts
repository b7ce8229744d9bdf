/**
 * Who starts when: the part of slurmctld that `local` and `simulated` share. Pure.
 * Jobs are looked at in the order they came. One that does not fit waits, and a later one that fits passes it, as
 * Slurm's backfill does when nobody knows when the running ones will end: serving jobs do not end by themselves.
 */

/** What a batch script asks for, as far as its start depends on it. */
export type JobRequest = {
  readonly nodes: number;
  readonly cpusPerNode: number;
  readonly gpusPerNode: number;
  /** Infinity: no limit. */
  readonly timeLimitSeconds: number;
  /** Any of these will do; empty: the cluster's default. */
  readonly partitions: readonly string[];
  readonly exclude: readonly string[];
  /** All of these must be in the allocation. */
  readonly nodelist: readonly string[];
  /** Waits for the earlier jobs of its name and user. */
  readonly singleton: boolean;
};

export type NodeSlots = { readonly name: string; readonly cpus: number; readonly gpus: number; readonly up: boolean };

export type Partition = {
  readonly name: string;
  readonly nodes: readonly string[];
  /** Infinity: no limit. */
  readonly maxTimeSeconds: number;
  readonly maxNodes: number;
};

/** One node of an allocation; `gpus` are the indices granted on it. */
export type Grant = { readonly node: string; readonly cpus: number; readonly gpus: readonly number[] };

export type QueuedJob = {
  /** Grows with each submission. */
  readonly order: number;
  readonly name: string;
  readonly user: string;
  readonly request: JobRequest;
};
/** A job that holds slots. Completing ones hold them still, but no twin waits for them any more. */
export type PlacedJob = {
  readonly order: number;
  readonly name: string;
  readonly user: string;
  readonly completing: boolean;
  readonly grants: readonly Grant[];
};

export type Queue = {
  /** In the order they came. */
  readonly waiting: readonly QueuedJob[];
  readonly placed: readonly PlacedJob[];
  readonly nodes: readonly NodeSlots[];
  /** The first is the default. */
  readonly partitions: readonly Partition[];
};
export type Verdict =
  | { readonly start: true; readonly partition: string; readonly grants: readonly Grant[] }
  /** Slurm's reason word. */
  | { readonly start: false; readonly reason: string };

const NODES_DOWN = 'Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions';
export const NOT_AVAILABLE = 'Requested node configuration is not available';

/** @returns a verdict for each waiting job, by its `order` */
export function schedule(queue: Queue): ReadonlyMap<number, Verdict> {
  const free = freeSlots(queue);
  const verdicts = new Map<number, Verdict>();
  const running = new Set(queue.placed.filter((job) => !job.completing).map(twinKey));
  const earlier = new Set<string>();
  let somebodyWaits = false;
  for (const job of queue.waiting) {
    const key = twinKey(job);
    const twinned = job.request.singleton && (running.has(key) || earlier.has(key));
    const verdict: Verdict = twinned ? { start: false, reason: 'Dependency' } : place(job.request, queue, free);
    verdicts.set(job.order, somebodyWaits ? behind(verdict) : verdict);
    if (verdict.start) running.add(key);
    else if (verdict.reason === 'Resources') somebodyWaits = true;
    earlier.add(key);
  }
  return verdicts;
}

/**
 * Why sbatch refuses this request at once, in Slurm's words; undefined when it takes it.
 * Source: recorded refusals of 22.05 to 26.05.
 */
export function refusal(request: JobRequest, queue: Pick<Queue, 'nodes' | 'partitions'>): string | undefined {
  if (request.partitions.some((name) => !queue.partitions.some((partition) => partition.name === name)))
    return 'Invalid partition name specified';
  if (request.nodelist.some((name) => !queue.nodes.some((node) => node.name === name)))
    return 'Invalid node name specified';
  return queue.nodes.some((node) => isBigEnough(node, request)) ? undefined : NOT_AVAILABLE;
}

type FreeSlots = ReadonlyMap<string, { cpus: number; readonly gpus: number[] }>;

/** Slots nobody holds, by node; nodes that are down are left out. */
function freeSlots(queue: Queue): FreeSlots {
  const free = new Map(
    queue.nodes
      .filter((node) => node.up)
      .map((node) => [node.name, { cpus: node.cpus, gpus: Array.from({ length: node.gpus }, (_, index) => index) }]),
  );
  for (const grant of queue.placed.flatMap((job) => job.grants)) take(free, grant);
  return free;
}

function take(free: FreeSlots, grant: Grant): void {
  const slots = free.get(grant.node);
  if (!slots) return;
  slots.cpus -= grant.cpus;
  for (const gpu of grant.gpus) {
    const at = slots.gpus.indexOf(gpu);
    if (at >= 0) slots.gpus.splice(at, 1);
  }
}

const twinKey = (job: { readonly user: string; readonly name: string }): string => `${job.user} ${job.name}`;

/** Tries the partitions in turn; takes the slots of the first that has room. */
function place(request: JobRequest, queue: Queue, free: FreeSlots): Verdict {
  let reason = 'PartitionDown';
  for (const partition of wantedPartitions(request, queue.partitions)) {
    const verdict = placeIn(partition, request, queue, free);
    if (verdict.start) {
      for (const grant of verdict.grants) take(free, grant);
      return verdict;
    }
    if (reason !== 'Resources') reason = verdict.reason;
  }
  return { start: false, reason };
}

function wantedPartitions(request: JobRequest, partitions: readonly Partition[]): readonly Partition[] {
  if (request.partitions.length === 0) return partitions.slice(0, 1);
  return partitions.filter((partition) => request.partitions.includes(partition.name));
}

function placeIn(partition: Partition, request: JobRequest, queue: Queue, free: FreeSlots): Verdict {
  const wait = (reason: string): Verdict => ({ start: false, reason });
  if (request.timeLimitSeconds > partition.maxTimeSeconds && Number.isFinite(request.timeLimitSeconds))
    return wait('PartitionTimeLimit');
  if (request.nodes > partition.maxNodes) return wait('PartitionNodeLimit');

  const able = queue.nodes.filter(
    (node) => partition.nodes.includes(node.name) && !request.exclude.includes(node.name) && isBigEnough(node, request),
  );
  const required = (node: NodeSlots) => request.nodelist.includes(node.name);
  if (able.length < request.nodes || able.filter(required).length < request.nodelist.length)
    return wait('BadConstraints');

  const absent = able.filter((node) => required(node) && !node.up);
  if (absent.length > 0) return wait(`ReqNodeNotAvail, UnavailableNodes:${absent.map((node) => node.name).join(',')}`);
  if (able.filter((node) => node.up).length < request.nodes) return wait(NODES_DOWN);

  const open = able.filter((node) => hasRoom(free, node.name, request));
  const chosen = [...open.filter(required), ...open.filter((node) => !required(node))].slice(0, request.nodes);
  if (chosen.length < request.nodes || chosen.filter(required).length < request.nodelist.length)
    return wait('Resources');
  const grants = chosen.map((node) => ({
    node: node.name,
    cpus: request.cpusPerNode,
    gpus: free.get(node.name)?.gpus.slice(0, request.gpusPerNode) ?? [],
  }));
  return { start: true, partition: partition.name, grants };
}

const isBigEnough = (node: NodeSlots, request: JobRequest): boolean =>
  node.cpus >= request.cpusPerNode && node.gpus >= request.gpusPerNode;

function hasRoom(free: FreeSlots, node: string, request: JobRequest): boolean {
  const slots = free.get(node);
  return slots !== undefined && slots.cpus >= request.cpusPerNode && slots.gpus.length >= request.gpusPerNode;
}

/** Slurm tells only the first in line that it waits for resources; the others wait for their turn. */
function behind(verdict: Verdict): Verdict {
  return verdict.start || verdict.reason !== 'Resources' ? verdict : { start: false, reason: 'Priority' };
}
