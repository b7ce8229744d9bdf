import { isDeepStrictEqual } from 'node:util';
import type { Resource } from '../../src/api/resource.ts';
import type { Endpoint } from '../../src/api/status.ts';
import { type Identity, jobName } from '../../src/slurm/identity.ts';
import type { SimJob } from '../../src/slurm/simulated/world.ts';
import {
  hashOf,
  identityOf,
  isGoing,
  isHealthy,
  type OurJob,
  recordOf,
  sameSlot,
  type Truth,
  windowMs,
} from './truth.ts';

/** Where a promise is looked at. Each answers what is wrong, undefined when nothing is. */
export type Watch = {
  /** A submission is about to reach SLURM. */
  readonly submit?: (truth: Truth, identity: Identity, excluded: readonly string[]) => string | undefined;
  /** A cancel is about to reach SLURM and hits this job. */
  readonly cancel?: (truth: Truth, job: SimJob) => string | undefined;
  /** The operator has written. */
  readonly write?: (truth: Truth, before: Resource, after: Resource) => string | undefined;
  /** Whatever happened. */
  readonly step?: (truth: Truth) => string | undefined;
};
export type SafetyPromise = Watch & { readonly name: string; readonly says: string };

export const SAFETY: readonly SafetyPromise[] = [
  {
    name: 'P1',
    says: 'one attempt of a replica slot lives, and it was claimed before it was submitted',
    submit(truth, identity) {
      if (recordOf(truth.written(identity.uid), identity.replica)?.attempt !== identity.attempt)
        return `attempt ${attemptText(identity)} is submitted and was not claimed`;
      const name = jobName(identity);
      const sentMs = truth.submittedMs(name);
      if (
        sentMs !== undefined &&
        truth.now() - sentMs <= truth.doubtWindowMs &&
        truth.inspect.inFlight().includes(name)
      )
        return `attempt ${attemptText(identity)} is submitted again while it may still land`;
      const other = truth
        .live()
        .find((one) => isGoing(one) && sameSlot(one.identity, identity) && isKnowable(truth, one));
      return other && `attempt ${attemptText(identity)} is submitted although job ${other.job.id} lives`;
    },
    step(truth) {
      const going = truth.live().filter((one) => isGoing(one) && isKnowable(truth, one));
      const twice = going.find((one) =>
        going.some((other) => sameSlot(one.identity, other.identity) && one.identity.attempt < other.identity.attempt),
      );
      return twice && `attempt ${attemptText(twice.identity)} lives beside a newer one`;
    },
  },
  {
    name: 'P1 width',
    says: 'no more slots have a job than there are replicas, but those being ended',
    submit(truth, identity) {
      const spec = truth.written(identity.uid)?.spec;
      const slots = new Set(
        truth
          .live()
          .filter((one) => one.identity.uid === identity.uid && isGoing(one) && isKnowable(truth, one))
          .filter((one) => !recordOf(truth.written(identity.uid), one.identity.replica)?.retired)
          .map((one) => one.identity.replica),
      );
      slots.add(identity.replica);
      return spec && slots.size > spec.replicas ? `${slots.size} slots for ${spec.replicas} replicas` : undefined;
    },
  },
  {
    name: 'P2',
    says: 'at most one job of a replica slot serves',
    step(truth) {
      const serving = truth.live().filter(({ job }) => truth.trace(job).servingSinceMs !== undefined);
      const twice = serving.find((one) =>
        serving.some(
          (other) =>
            one.job.serial < other.job.serial &&
            sameSlot(one.identity, other.identity) &&
            (one.identity.attempt === other.identity.attempt ||
              !(truth.trace(one.job).beyondReach || truth.trace(other.job).beyondReach)),
        ),
      );
      return twice && `job ${twice.job.id} is not the only one that serves replica ${twice.identity.replica}`;
    },
  },
  {
    name: 'P3',
    says: 'a job without our user, name and marker is left alone',
    cancel: (_, job) => (identityOf(job) ? undefined : `job ${job.id} (${job.name}) is cancelled and is not ours`),
  },
  {
    name: 'P4',
    says: 'no resource is gone while a job of it lives or may still land',
    step(truth) {
      const left = truth
        .live()
        .find(({ job, identity }) => truth.gone().get(identity.uid) === false && !truth.trace(job).beyondReach);
      return left && `job ${left.job.id} (${left.job.phase}) outlives its resource`;
    },
  },
  {
    name: 'P5',
    says: 'nothing of an old resource is adopted by a new one of the same name',
    write(truth, _, after) {
      const { endpoints = [], jobs = [], records = [] } = after.status;
      const named = [...endpoints, ...jobs, ...records].flatMap(({ jobId }) => jobId ?? []);
      const foreign = named.find((id) => !truth.job(after.uid, id) && !truth.acknowledged(after.uid, id));
      return foreign === undefined ? undefined : `${after.key.name} names job ${foreign}, which is not its own`;
    },
  },
  {
    name: 'P6',
    says: 'Ready is true only while the endpoints answer for this generation',
    write(truth, _, after) {
      if (!isReady(after) || !after.spec) return undefined;
      if (after.status.observedGeneration !== after.generation) return 'Ready is written for an older generation';
      const ready = (after.status.endpoints ?? []).filter((one) => one.ready);
      if (ready.length !== after.spec.replicas)
        return `Ready is written with ${ready.length} of ${after.spec.replicas}`;
      const bad = ready.find((endpoint) => !answers(truth, after, endpoint, 0));
      return bad && `Ready is written although job ${bad.jobId} of replica ${bad.replica} does not answer`;
    },
    step(truth) {
      for (const resource of truth.resources()) {
        if (!isReady(resource) || resource.deletingSinceMs !== undefined) continue;
        if (truth.now() - truth.undisturbedSinceMs() < windowMs(resource.spec) + GRACE_MS) continue;
        const stale = (resource.status.endpoints ?? []).find(
          (one) => one.ready && !answers(truth, resource, one, GRACE_MS),
        );
        if (stale) return `${resource.key.name} says Ready although job ${stale.jobId} no longer answers`;
      }
      return undefined;
    },
  },
  {
    name: 'P7',
    says: 'a healthy serving replica is never given up because somebody could not be asked',
    write(truth, before, after) {
      const victim = truth
        .live()
        .find((one) => one.identity.uid === after.uid && isHealthy(truth, one) && isSpared(truth, one, before, after));
      return victim && `job ${victim.job.id} serves and is given up`;
    },
    cancel(truth, job) {
      const identity = identityOf(job);
      const one = identity && { job, identity };
      if (!one || !isHealthy(truth, one)) return undefined;
      const resource = truth.written(identity.uid);
      const record = recordOf(resource, identity.replica);
      const ended =
        !record || record.retired || record.attempt > identity.attempt || record.settledAttempt >= identity.attempt;
      const twin = truth.live().some((other) => other.job !== job && other.job.name === job.name);
      if (truth.resource(identity.uid)?.deletingSinceMs !== undefined || truth.gone().has(identity.uid))
        return undefined;
      return ended || twin ? undefined : `job ${job.id} serves and is cancelled`;
    },
  },
  {
    name: 'P8',
    says: 'nothing is rendered from an older generation than the one observed',
    submit(truth, identity) {
      const resource = truth.written(identity.uid);
      if (!resource || resource.status.observedGeneration !== resource.generation) return undefined;
      return identity.generation < resource.specGeneration
        ? `generation ${identity.generation} is submitted, ${resource.specGeneration} was observed`
        : undefined;
    },
    write(truth, before, after) {
      if (!after.spec || after.spec.suspend) return undefined;
      const records = after.status.records ?? [];
      const wasReady = (replica: number) =>
        before.status.endpoints?.some((one) => one.replica === replica && one.ready) ?? false;
      const lost = records.find(
        ({ retired, replica }) =>
          retired && wasReady(replica) && !recordOf(before, replica)?.retired && isServed(truth, after.uid, replica),
      );
      const worse = records.find(
        ({ retired, replica }) => !retired && !wasReady(replica) && !isAnswering(truth, after.uid, replica),
      );
      return lost && worse && `replica ${lost.replica} serves and is given up before ${worse.replica}`;
    },
  },
  {
    name: 'P10',
    says: 'failures that spend the budget end the retries, and no replica is submitted in a tight loop',
    submit(truth, identity) {
      const restart = truth.written(identity.uid)?.spec?.restartPolicy;
      if (!restart) return undefined;
      const since = truth.now() - restart.windowSeconds * 1000;
      const spent = truth.spent(identity.uid, identity.replica).filter((atMs) => atMs > since).length;
      return spent > restart.maxRestarts
        ? `attempt ${attemptText(identity)} is submitted after ${spent} failures, ${restart.maxRestarts} are allowed`
        : undefined;
    },
  },
  {
    name: 'P11',
    says: 'suspend and delete win over create',
    submit(truth, identity) {
      const resource = truth.written(identity.uid);
      if (!resource) return `attempt ${attemptText(identity)} is submitted for a resource nobody wrote`;
      if (resource.deletingSinceMs !== undefined) return `${resource.key.name} is being deleted and is submitted`;
      return resource.spec?.suspend ? `${resource.key.name} is suspended and is submitted` : undefined;
    },
  },
  {
    name: 'P16',
    says: 'transition times move only when the status moves, the status is bounded, events are not repeated',
    write(_, before, after) {
      for (const condition of after.status.conditions ?? []) {
        const known = before.status.conditions?.find((one) => one.type === condition.type);
        if (known && known.status === condition.status && known.lastTransitionTime !== condition.lastTransitionTime)
          return `${condition.type} moved its transition time and stayed ${condition.status}`;
      }
      if (isDeepStrictEqual(before.status, after.status) && isDeepStrictEqual(before.finalizers, after.finalizers))
        return `${after.key.name} is written as it was`;
      const size = JSON.stringify(after.status).length;
      return size > 65_536 ? `the status has ${size} characters` : undefined;
    },
  },
  {
    name: 'rule 5',
    says: 'the end of an attempt is settled once',
    write(_, before, after) {
      for (const record of after.status.records ?? []) {
        const known = recordOf(before, record.replica);
        if (!known || record.failures.length <= known.failures.length) continue;
        const settled = record.settledAttempt > known.settledAttempt;
        const refused = record.retryReason === 'SubmissionRejected' || record.retryReason === 'SubmitLimitReached';
        if (!settled && !refused) return `attempt ${known.settledAttempt} of replica ${record.replica} counts again`;
      }
      return undefined;
    },
  },
  {
    name: 'rule 6',
    says: 'exclusions are capped and leave a node to run on',
    submit(truth, identity, excluded) {
      const rule = truth.written(identity.uid)?.spec?.restartPolicy.excludeFailedNodes;
      if (rule && excluded.length > rule.max) return `${excluded.length} nodes are excluded, ${rule.max} are allowed`;
      const nodes = truth.inspect.nodes();
      return nodes.every((node) => excluded.includes(node.name)) ? 'every node is excluded' : undefined;
    },
  },
];

/** The operator sees an endpoint's silence at most this late. */
const GRACE_MS = 2_000;

const attemptText = ({ name, replica, attempt }: Identity): string => `${name}.r${replica}.a${attempt}`;

/** The operator could know of it: nobody hid it, and it did not come out of nowhere. */
function isKnowable(truth: Truth, { job }: OurJob): boolean {
  return !truth.staleView() && !truth.trace(job).beyondReach;
}

function isServed(truth: Truth, uid: string, replica: number): boolean {
  return truth.live().some((one) => isOf(one, uid, replica) && isHealthy(truth, one));
}

function isAnswering(truth: Truth, uid: string, replica: number): boolean {
  return truth.live().some((one) => isOf(one, uid, replica) && truth.trace(one.job).servingSinceMs !== undefined);
}

const isOf = ({ identity }: OurJob, uid: string, replica: number): boolean =>
  identity.uid === uid && identity.replica === replica;

/** Given up in this write, and nobody asked for it. */
function isSpared(truth: Truth, { job, identity }: OurJob, before: Resource, after: Resource): boolean {
  const was = recordOf(before, identity.replica);
  const is = recordOf(after, identity.replica);
  if (!is || is.settledAttempt < identity.attempt || (was?.settledAttempt ?? 0) >= identity.attempt) return false;
  if (!after.spec || after.spec.suspend || after.deletingSinceMs !== undefined || is.retired) return false;
  if (hashOf(after.spec) !== identity.specHash || truth.trace(job).beyondReach) return false;
  return !truth.live().some((one) => sameSlot(one.identity, identity) && one.identity.attempt > identity.attempt);
}

function isReady(resource: Resource): boolean {
  return (
    resource.status.conditions?.some(
      (one) => one.type === 'Ready' && one.status === 'True' && one.reason === 'Ready',
    ) ?? false
  );
}

/** Answered lately under its own name; and is not dead, as far as the operator could know. */
function answers(truth: Truth, resource: Resource, endpoint: Endpoint, graceMs: number): boolean {
  const trace = truth.job(resource.uid, endpoint.jobId);
  if (trace?.answeredMs === undefined) return false;
  if (trace.endedMs !== undefined && trace.endedMs + NOTICE_MS < truth.listedMs()) return false;
  return truth.now() - trace.answeredMs <= windowMs(resource.spec) + graceMs;
}
/** A turn under way when the listing comes decides on what it saw. */
const NOTICE_MS = 15_000;
