import type { Spec } from '../api/spec.ts';
import type { ReplicaRecord, Status } from '../api/status.ts';
import type { Choice } from './choose-place.ts';
import { landsBy } from './landing.ts';
import type { Observation, SlurmView } from './observation.ts';
import type { Obstacle } from './obstacles.ts';
import type { Plan } from './plan.ts';
import { givenUp, recordsOf } from './records.ts';
import { isCancellable } from './replica.ts';
import type { Step } from './step.ts';

/** Another cluster than this one is asked for. @returns its name */
export function destinationOf({ slurm }: Spec, { whereabouts }: Pick<Observation, 'whereabouts'>): string | undefined {
  const { cluster } = slurm;
  return cluster === whereabouts.here ? undefined : cluster;
}

/** Nothing is submitted here any more. `where`: in words. */
export function movingTo(where: string): Obstacle {
  return {
    reason: 'Moving',
    lasts: false,
    because: 'here',
    until: 'its jobs here have ended',
    what: `it moves to ${where}`,
  };
}

/** Whatever its job does, serving included: two clusters never serve one replica. */
export function leave(step: Step, cluster: string): Step {
  const { job } = step;
  if (!job || job.phase === 'ended') return step;
  if (step.cancels.some((cancel) => cancel.job === job)) return step;
  return {
    ...step,
    record: givenUp(step.record),
    cancels: isCancellable(job)
      ? [...step.cancels, { job, why: `the deployment moves to cluster ${cluster}` }]
      : step.cancels,
    endpoint: undefined,
    state: 'stopping',
    reason: 'Moving',
    message: `job ${job.id} must end before the deployment moves to cluster ${cluster}`,
  };
}

/** No job lives here and none can land any more: what waits for a deletion waits for a move. */
export function hasLeft(seen: Observation, view: SlurmView): boolean {
  return (
    view.jobs.every((job) => job.phase === 'ended') &&
    recordsOf(seen.resource.status).every((record) => view.askedAtMs > landsBy(seen, view, record))
  );
}

/**
 * The handover: the write of the name is all of it. Numbers of attempts go on; what was counted against nodes and
 * jobs of this cluster is of no meaning on the other. Where nobody has edited the spec, what it failed at still counts.
 */
export function handOver(seen: Observation, status: Status, cluster: string): Plan {
  const { excludedNodes: _, url: __, users: ___, ...rest } = status;
  const toBlank = seen.resource.spec?.slurm.places ? withoutJob : blank;
  return {
    actions: [],
    status: { ...rest, cluster, jobs: [], endpoints: [], records: (status.records ?? []).map(toBlank) },
    draft: undefined,
    requeueAfterMs: seen.policy.tickMs,
  };
}

/**
 * Nothing was ever claimed for it, so no cluster can hold a job of it: it need not wait for an answer of this one.
 * @returns undefined where it is to stay, or may not go yet
 */
export function firstClusterOf(seen: Observation, spec: Spec): string | undefined {
  const { slurm, resource } = seen;
  const isNew = resource.status.cluster === undefined && recordsOf(resource.status).length === 0;
  if (!isNew || (slurm.known && slurm.value.jobs.length > 0)) return undefined;
  const to = destinationOf(spec, seen);
  return to !== undefined && seen.whereabouts.clusters.has(to) ? to : undefined;
}

/** Only the name is missing, or what is on record of its jobs holds there as it does here. */
export function recordCluster(seen: Observation, cluster: string, choice?: Choice): Plan {
  return {
    actions: [],
    status: { ...seen.resource.status, cluster, ...(choice?.place && { place: choice.place }) },
    draft: undefined,
    requeueAfterMs: seen.policy.tickMs,
  };
}

function withoutJob(record: ReplicaRecord): ReplicaRecord {
  const { specHash, retryTime, retryReason, held, failures } = record;
  return {
    ...blank(record),
    failures,
    ...(specHash !== undefined && { specHash }),
    ...(retryTime !== undefined && { retryTime }),
    ...(retryReason !== undefined && { retryReason }),
    ...(held && { held }),
  };
}

function blank({ replica, attempt, settledAttempt, retired }: ReplicaRecord): ReplicaRecord {
  return {
    replica,
    attempt,
    settledAttempt: Math.max(attempt, settledAttempt),
    failures: [],
    ...(retired && { retired }),
  };
}
