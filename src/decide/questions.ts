import type { Resource } from '../api/resource.ts';
import type { Spec } from '../api/spec.ts';
import { type SecretFileOf, secretFileName } from '../launch/secrets.ts';
import { ownModelName } from '../launch/served.ts';
import type { Site } from '../launch/site.ts';
import { specHash } from '../launch/spec-hash.ts';
import type { ProbeTarget } from '../probe/prober.ts';
import { jobName } from '../slurm/identity.ts';
import { jobKey } from '../slurm/job.ts';
import { isOver } from './attempts.ts';
import { endpointOf } from './health.ts';
import type { OwnJob, SlurmView } from './observation.ts';
import { recordsOf } from './records.ts';

/** Ended jobs whose attempt is not judged yet: how did they end? */
export function endingsWanted(resource: Resource, view: SlurmView): readonly OwnJob[] {
  const settled = new Map(recordsOf(resource.status).map((record) => [record.replica, record.settledAttempt]));
  return view.jobs.filter((job) => isOver(job) && job.identity.attempt > (settled.get(job.identity.replica) ?? 0));
}

/** A job no listing shows. Its name may have belonged to another: of a deployment of the same name, made anew. */
export type LostJob = { readonly name: string; readonly jobId: string; readonly submittedMs: number };

/** Attempts acknowledged or seen whose job no listing shows any more: what does accounting say? */
export function historyWanted(resource: Resource, view: SlurmView): readonly LostJob[] {
  return recordsOf(resource.status).flatMap(({ replica, attempt, settledAttempt, jobId, submitTime }) => {
    const name = jobName({ ...resource.key, replica, attempt });
    if (jobId === undefined || attempt <= settledAttempt || view.jobs.some((job) => job.name === name)) return [];
    return [{ name, jobId, submittedMs: Date.parse(submitTime ?? '') || resource.createdMs }];
  });
}

/** An endpoint to be asked with the key of its own job. */
export type WantedEndpoint = Omit<ProbeTarget, 'apiKey'> & {
  readonly key: 'none' | { readonly file: string; readonly certain: boolean };
};

/**
 * Endpoints to be asked: of running jobs whose claim holds.
 * @param jobs undefined: Slurm has not been heard since this operator began; those on record were checked before
 */
export function targetsWanted(
  resource: Resource,
  jobs: readonly OwnJob[] | undefined,
  seen: { readonly nodeAddresses: ReadonlyMap<string, string>; readonly site: Site },
): readonly WantedEndpoint[] {
  const { spec, status } = resource;
  if (!spec || resource.deletingSinceMs !== undefined) return [];
  if (jobs === undefined) return targetsOnRecord(resource, spec);
  return jobs.flatMap((job) => {
    const claim = endpointOf(job, spec, seen, status.endpoints);
    const key = keyOf(job.identity, job.identity.specHash === specHash(spec), spec);
    return claim.kind === 'at' ? [targetOf(job, claim.url, key, spec)] : [];
  });
}

/** A job of another spec may have a key although this one names none, and none although this one names it. */
function keyOf(attempt: SecretFileOf, isOfSpec: boolean, { endpoint }: Spec): WantedEndpoint['key'] {
  if (isOfSpec && !endpoint.apiKeyFrom) return 'none';
  return { file: secretFileName(attempt, 'api-key'), certain: isOfSpec };
}

/** Slurm counts in whole seconds, as the status does: a job has the same key by both. */
function targetsOnRecord({ key, uid, status }: Resource, spec: Spec): readonly WantedEndpoint[] {
  const { endpoints, jobs } = status;
  return (endpoints ?? []).flatMap(({ jobId, url }) => {
    const job = jobs?.find((one) => one.jobId === jobId);
    const submitMs = Date.parse(job?.submitTime ?? '');
    if (!job || Number.isNaN(submitMs)) return [];
    const { replica, attempt } = job;
    const isOfSpec = recordsOf(status).find((record) => record.replica === replica)?.specHash === specHash(spec);
    const itsKey = keyOf({ ...key, uid, replica, attempt }, isOfSpec, spec);
    return [targetOf({ id: jobId, submitMs }, url, itsKey, spec)];
  });
}

function targetOf(
  job: Pick<OwnJob, 'id' | 'submitMs'>,
  url: string,
  key: WantedEndpoint['key'],
  { probes: { liveness } }: Spec,
): WantedEndpoint {
  return {
    id: jobKey(job),
    url,
    ownModelName: ownModelName(job.id),
    periodMs: liveness.periodSeconds * 1000,
    timeoutMs: liveness.timeoutSeconds * 1000,
    key,
  };
}
