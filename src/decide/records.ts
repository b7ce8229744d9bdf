import type { ReplicaRecord, Status } from '../api/status.ts';
import type { OwnJob, SlurmView } from './observation.ts';

export function recordsOf(status: Status): readonly ReplicaRecord[] {
  return status.records ?? [];
}

export function newRecord(replica: number): ReplicaRecord {
  return { replica, attempt: 0, settledAttempt: 0, failures: [] };
}

/**
 * What the jobs themselves tell beats what was written down: a status lost or older than the jobs is made up for.
 * @param jobs of this replica
 */
export function adopt(record: ReplicaRecord, jobs: readonly OwnJob[]): ReplicaRecord {
  const newest = jobs.reduce<OwnJob | undefined>(
    (a, b) => (a && a.identity.attempt >= b.identity.attempt ? a : b),
    undefined,
  );
  if (!newest || newest.identity.attempt <= record.attempt) return record;
  return {
    replica: record.replica,
    attempt: newest.identity.attempt,
    specHash: newest.identity.specHash,
    settledAttempt: Math.max(record.settledAttempt, newest.identity.attempt - 1),
    failures: record.failures,
    ...(record.retired && { retired: true }),
  };
}

/**
 * The attempt's job stands in the listing: no doubt is left about its submission. Unless it is the job of an earlier one
 * that landed late: then the last may still land as well.
 */
export function sighted(
  record: ReplicaRecord,
  job: OwnJob,
  { askedAtMs }: Pick<SlurmView, 'askedAtMs'>,
): ReplicaRecord {
  const { doubtUntil, missingSince: _, ...rest } = record;
  const isOfAnEarlier = record.nonce !== undefined && record.nonce !== job.identity.nonce;
  const inDoubt = isOfAnEarlier && doubtUntil !== undefined && askedAtMs <= Date.parse(doubtUntil);
  return { ...rest, ...(inDoubt && { doubtUntil }), jobId: job.id, seen: true };
}

/** Judged, without blame: the job is ours to end and its end says nothing. */
export function givenUp(record: ReplicaRecord): ReplicaRecord {
  return { ...record, settledAttempt: record.attempt };
}

/** A person has changed something: what was counted against the old spec no longer counts. */
export function forgiven(record: ReplicaRecord): ReplicaRecord {
  const { held: _, retryTime: __, retryReason: ___, retired: ____, ...rest } = record;
  return { ...rest, failures: [] };
}

export function retired(record: ReplicaRecord): ReplicaRecord {
  return { ...givenUp(forgiven(record)), retired: true };
}
