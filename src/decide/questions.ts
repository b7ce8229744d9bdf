import type { Resource } from '../api/resource.ts';
import { ownModelName } from '../launch/served.ts';
import type { Site } from '../launch/site.ts';
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

/** Endpoints to be asked: of running jobs whose claim holds. */
export function targetsWanted(
  resource: Resource,
  jobs: readonly OwnJob[],
  seen: { readonly nodeAddresses: ReadonlyMap<string, string>; readonly site: Site },
): readonly ProbeTarget[] {
  const { spec } = resource;
  if (!spec || resource.deletingSinceMs !== undefined) return [];
  return jobs.flatMap((job) => {
    const claim = endpointOf(job, spec, seen, resource.status.endpoints);
    if (claim.kind !== 'at') return [];
    return [
      {
        id: jobKey(job),
        url: claim.url,
        ownModelName: ownModelName(job.id),
        periodMs: spec.probes.liveness.periodSeconds * 1000,
        timeoutMs: spec.probes.liveness.timeoutSeconds * 1000,
      },
    ];
  });
}
