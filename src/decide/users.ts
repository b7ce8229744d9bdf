import type { Resource } from '../api/resource.ts';
import type { ReplicaRecord } from '../api/status.ts';
import { wantedCluster } from '../launch/places.ts';
import { jobKey } from '../slurm/job.ts';
import { landsBy } from './landing.ts';
import type { Observation, OwnJob, SlurmView, SubmitsAs } from './observation.ts';
import { recordsOf } from './records.ts';
import type { Draft } from './step.ts';

/**
 * Whether a job's user may have jobs of the deployment: name and marker are there for everybody to copy.
 * @param own    whom SLURM is asked as; undefined: it lists no other user's jobs
 * @param others those on record, and whom the namespace is known as
 */
export function isOfUser({ user }: Pick<OwnJob, 'user'>, own: string | undefined, others: readonly string[]): boolean {
  return own === undefined || user === own || others.includes(user);
}

/** Those whose jobs are this deployment's, besides the operator's own user. */
export function usersKnown({ status }: Resource, submitsAs: SubmitsAs): readonly string[] {
  return [...(status.users ?? []), ...(submitsAs.kind === 'user' ? [submitsAs.user] : [])];
}

/** As they are to be on record: a token may be another user's tomorrow, and the jobs of today's are ours all the same. */
export function usersOf(
  seen: Observation,
  { jobs, steps }: Draft,
  records: readonly ReplicaRecord[],
): string[] | undefined {
  const before = seen.resource.status.users;
  if (!seen.slurm.known || seen.slurm.value.user === undefined) return before;
  const view = seen.slurm.value;
  const mayAppear = records.some(
    (record) => record.missingSince !== undefined || view.askedAtMs <= landsBy(seen, view, record),
  );
  const settled = new Map(records.map(({ replica, settledAttempt }) => [replica, settledAttempt]));
  const matters = (job: OwnJob): boolean =>
    isLive(job) || job.identity.attempt > (settled.get(job.identity.replica) ?? 0);
  const users = new Set([
    ...(mayAppear ? (before ?? []) : []),
    ...jobs.filter(matters).map(({ user }) => user),
    ...steps.flatMap(({ submit }) => submit?.as ?? []),
  ]);
  users.delete(view.user as string);
  return users.size > 0 ? [...users].sort() : undefined;
}

/** Users of live jobs whom the namespace is known as no more. */
export function formerUsers({ submitsAs, resource, whereabouts }: Observation, view: SlurmView): readonly string[] {
  // One that is to move is known there, not here.
  if ((wantedCluster(resource) ?? whereabouts.here) !== whereabouts.here) return [];
  const known = [view.user, submitsAs.kind === 'user' ? submitsAs.user : undefined];
  const users = view.jobs.filter((job) => isLive(job) && !known.includes(job.user)).map(({ user }) => user);
  return view.user === undefined ? [] : [...new Set(users)].sort();
}

/** Whether something may be concluded from what the listing lacks: a job is to be submitted, or none is left. */
export function concludesFromAbsence({ spec, status, deletingSinceMs }: Resource, view: SlurmView): boolean {
  const held = new Set(view.jobs.filter(isLive).map(({ identity }) => identity.replica));
  if (deletingSinceMs !== undefined) return held.size === 0;
  const wanted = !spec || spec.suspend ? 0 : spec.replicas;
  const records = recordsOf(status).filter(({ retired }) => !retired);
  for (const record of records) if (isAwaited(record, view)) held.add(record.replica);
  return wanted > 0 && (held.size < wanted || records.some(({ replica }) => !held.has(replica)));
}

/** @param theirs the deployment's jobs as their own user sees them. @returns one that the listing should have had */
export function hiddenJob({ status }: Resource, view: SlurmView, theirs: readonly OwnJob[]): OwnJob | undefined {
  const shown = new Set(view.jobs.map(jobKey));
  const awaited = new Set(recordsOf(status).flatMap((record) => (isAwaited(record, view) ? [record.replica] : [])));
  return theirs.find((job) => isLive(job) && !shown.has(jobKey(job)) && !awaited.has(job.identity.replica));
}

const isLive = ({ phase }: OwnJob): boolean => phase !== 'ended';

/** Nothing is concluded about it from a listing as old as this. */
const isAwaited = ({ submitTime, doubtUntil }: ReplicaRecord, { askedAtMs }: SlurmView): boolean =>
  [submitTime, doubtUntil].some((time) => askedAtMs <= (Date.parse(time ?? '') || 0));
