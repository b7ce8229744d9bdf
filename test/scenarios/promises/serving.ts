import type { Resource } from '../../../src/api/resource.ts';
import type { Endpoint } from '../../../src/api/status.ts';
import { hashOf, identityOf, isHealthy, type OurJob, recordOf, sameSlot, type Truth, windowMs } from '../truth.ts';
import type { SafetyPromise } from './promise.ts';

/** Who is said to serve, and who may go on serving. */
export const SERVING: readonly SafetyPromise[] = [
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
];

/** The operator sees an endpoint's silence at most this late. */
const GRACE_MS = 2_000;

/** Given up in this write, and nobody asked for it. */
function isSpared(truth: Truth, { job, identity }: OurJob, before: Resource, after: Resource): boolean {
  const was = recordOf(before, identity.replica);
  const is = recordOf(after, identity.replica);
  if (!is || is.settledAttempt < identity.attempt || (was?.settledAttempt ?? 0) >= identity.attempt) return false;
  if (!after.spec || after.spec.suspend || after.deletingSinceMs !== undefined) return false;
  const kept = (after.status.records ?? []).filter((record) => !record.retired).length;
  if (is.retired) return kept < after.spec.replicas; // not scaled down
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
  // While the listing is not believed, what answers as this job is all there is to go by.
  const believes = resource.status.conditions?.find((one) => one.type === 'SlurmReachable')?.status !== 'False';
  if (believes && trace.endedMs !== undefined && trace.endedMs + NOTICE_MS < truth.listedMs()) return false;
  return truth.now() - trace.answeredMs <= windowMs(resource.spec) + graceMs;
}
/** A turn under way when the listing comes decides on what it saw. */
const NOTICE_MS = 15_000;
