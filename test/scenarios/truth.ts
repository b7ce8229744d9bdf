import type { Resource } from '../../src/api/resource.ts';
import type { Spec } from '../../src/api/spec.ts';
import type { ReplicaRecord } from '../../src/api/status.ts';
import type { DeploymentEvent } from '../../src/controller/events.ts';
import { specHash } from '../../src/launch/spec-hash.ts';
import { type Identity, readIdentity, readReport } from '../../src/slurm/identity.ts';
import type { Inspection } from '../../src/slurm/simulated/inspection.ts';
import { nodesOf, type SimJob } from '../../src/slurm/simulated/world.ts';

/** A job that carries our user, our name and our marker. */
export type OurJob = { readonly job: SimJob; readonly identity: Identity };

/** What is really so, whatever anybody answers. The promises are checked against this. */
export type Truth = {
  readonly inspect: Inspection;
  readonly doubtWindowMs: number;
  now(): number;
  /** Jobs of ours that are pending, running or completing. */
  live(): readonly OurJob[];
  /** The job SLURM called `id` for the resource `uid`, whatever became of it. */
  job(uid: string, id: string): Traced | undefined;
  /** SLURM said so at some time; it may have lost the job since. */
  acknowledged(uid: string, id: string): boolean;
  trace(job: SimJob): Traced;
  /** When the job of this name was last submitted without being told whether it arrived, epoch ms. */
  submittedMs(name: string): number | undefined;
  resources(): readonly Resource[];
  /** As the store holds it; undefined when it is gone. */
  resource(uid: string): Resource | undefined;
  /** As it stood right after the operator last wrote it: what it must have known then. */
  written(uid: string): Resource | undefined;
  /** Resources the store no longer holds; true: by force. */
  gone(): ReadonlyMap<string, boolean>;
  /** Epoch, ms: the last complete and fresh listing the operator heard. */
  listedMs(): number;
  /** The last listing the operator heard was older than it said. */
  staleView(): boolean;
  /** Since then the way from the operator to the nodes is open, epoch ms. */
  connectedSinceMs(): number;
  /** Since then the operator is up and the calls it makes are answered at once, epoch ms. */
  undisturbedSinceMs(): number;
  /** Epoch, ms: when SLURM was asked so lately, by this operator; of submissions those of one name. */
  calls(call: 'listJobs' | 'submit', name?: string): readonly number[];
  /** What was told of the resource, oldest first. */
  events(uid: string): readonly DeploymentEvent[];
  /** Attempts of the present spec the operator has seen end by a fault of the engine, epoch ms each. */
  spent(uid: string, replica: number): readonly number[];
};

/** What is known of one job besides its own state. */
export type Traced = {
  readonly serial: number;
  /** Landed later than any operator can wait, or was dead and came back: nobody is to blame that it is there. */
  beyondReach: boolean;
  /** Epoch, ms: when it last answered a probe under its own name. */
  answeredMs: number | undefined;
  /** Epoch, ms: since when it serves and can be reached; undefined: it does not. */
  servingSinceMs: number | undefined;
  /** Epoch, ms: since when it also tells where; undefined: it does not. */
  foundSinceMs: number | undefined;
  /** Epoch, ms: when it was no longer live. */
  endedMs: number | undefined;
  /** It was COMPLETING at some time. */
  wasEnding: boolean;
};

export const sameSlot = (a: Identity, b: Identity): boolean => a.uid === b.uid && a.replica === b.replica;

/** Holds nodes or may come to hold them, and is not ending. */
export const isGoing = ({ job }: OurJob): boolean => job.phase === 'running' || job.phase === 'pending';

export function recordOf(resource: Resource | undefined, replica: number): ReplicaRecord | undefined {
  return resource?.status.records?.find((record) => record.replica === replica);
}

const identities = new WeakMap<SimJob, Identity | 'foreign'>();

/** @returns undefined for a job that is not ours */
export function identityOf(job: SimJob): Identity | undefined {
  const known = identities.get(job) ?? readIdentity(job) ?? 'foreign';
  identities.set(job, known);
  return known === 'foreign' ? undefined : known;
}

const hashes = new WeakMap<Spec, string>();

export function hashOf(spec: Spec): string {
  const known = hashes.get(spec) ?? specHash(spec);
  hashes.set(spec, known);
  return known;
}

/** It has served for so long that whoever asked has heard it, several times. */
export function isHealthy(truth: Truth, { job, identity }: OurJob): boolean {
  const since = truth.trace(job).foundSinceMs;
  const spec = truth.resource(identity.uid)?.spec;
  // One endpoint alone cannot be told from a network that is down.
  const alone = truth.live().filter((one) => isFollowed(truth, one)).length < 2;
  const heardMs = Math.max(since ?? 0, alone ? truth.connectedSinceMs() : 0);
  return since !== undefined && truth.now() - heardMs > windowMs(spec) + HEARD_MS;
}
const HEARD_MS = 30_000;

/** An operator knows it for an endpoint: this run of the job has answered, and it tells where. */
function isFollowed(truth: Truth, { job }: OurJob): boolean {
  const { answeredMs } = truth.trace(job);
  return job.phase === 'running' && answeredMs !== undefined && answeredMs >= (job.startMs ?? 0) && tellsPort(job);
}

/** What it says of itself leads to it. */
export function tellsPort(job: SimJob): boolean {
  const { node, port } = readReport(job.comment);
  return node !== undefined && node === nodesOf(job)[0] && port === job.behaviour.port;
}

export function windowMs(spec: Spec | undefined): number {
  return spec ? spec.probes.liveness.periodSeconds * spec.probes.liveness.failureThreshold * 1000 : 0;
}
