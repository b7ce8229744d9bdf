import { FINALIZER, FORCE_RELEASE_ANNOTATION } from '../api/resource.ts';
import { rfc3339 } from '../api/time.ts';
import { refOf } from '../slurm/job.ts';
import { landsBy } from './landing.ts';
import type { Observation, SlurmView } from './observation.ts';
import { ofCluster } from './of-cluster.ts';
import type { Plan } from './plan.ts';
import { recordsOf } from './records.ts';
import { isCancellable } from './replica.ts';
import { summarizeDeletion } from './summary.ts';

/** Ends every job, waits out every submission that may still land, and only then lets go. */
export function decideDeletion(seen: Observation): Plan {
  const { resource } = seen;
  if (!resource.finalizers.includes(FINALIZER))
    return { actions: [], status: resource.status, requeueAfterMs: undefined, draft: undefined };
  if (resource.annotations[FORCE_RELEASE_ANNOTATION] === 'true') return release(seen);
  if (!seen.slurm.known)
    return wait(
      seen,
      `SLURM${ofCluster(seen)} does not answer (${seen.slurm.why.message}); its jobs cannot be ended`,
      seen.policy.tickMs,
    );
  if (seen.viewSuspect)
    return wait(seen, 'more jobs vanished from the listing at once than can be believed', seen.policy.tickMs);
  return endJobs(seen, seen.slurm.value);
}

function endJobs(seen: Observation, view: SlurmView): Plan {
  const live = view.jobs.filter((job) => job.phase !== 'ended');
  if (live.length > 0) {
    const ids = live.map((job) => job.id).join(', ');
    const what = live.length === 1 ? `job ${ids}` : `${live.length} jobs (${ids})`;
    return {
      ...wait(seen, `waiting for ${what} to end`, seen.policy.tickMs),
      actions: live.filter(isCancellable).map((job) => ({
        kind: 'cancel',
        job: refOf(job),
        why: 'the deployment was deleted',
      })),
    };
  }
  const until = Math.max(0, ...recordsOf(seen.resource.status).map((record) => landsBy(seen, view, record)));
  if (view.askedAtMs <= until) {
    return wait(
      seen,
      `a submission may still arrive until ${rfc3339(until)}`,
      Math.max(until - seen.now, 0) + seen.policy.tickMs,
    );
  }
  return release(seen);
}

function release(seen: Observation): Plan {
  return {
    actions: [{ kind: 'releaseFinalizer' }],
    status: seen.resource.status,
    requeueAfterMs: seen.policy.tickMs,
    draft: undefined,
  };
}

function wait(seen: Observation, message: string, requeueAfterMs: number): Plan {
  return { actions: [], status: summarizeDeletion(seen, message), requeueAfterMs, draft: undefined };
}
