import type { ReplicaRecord } from '../api/status.ts';
import type { OwnJob } from './observation.ts';
import { newRecord, retired } from './records.ts';

export type Slots = { readonly wanted: readonly ReplicaRecord[]; readonly unwanted: readonly ReplicaRecord[] };

/**
 * Which replica slots to keep. Scaling down gives up the not-ready first, then the highest ordinals; scaling up
 * fills the lowest free ones.
 * @param records every slot ever used
 * @param rankOf  0 for a replica that serves; higher: less of a loss
 */
export function chooseSlots(
  records: readonly ReplicaRecord[],
  want: number,
  rankOf: (record: ReplicaRecord) => number,
): Slots {
  const active = records.filter((record) => !record.retired);
  if (active.length >= want) {
    const kept = new Set(
      [...active]
        .sort((a, b) => rankOf(a) - rankOf(b) || a.replica - b.replica)
        .slice(0, want)
        .map((record) => record.replica),
    );
    return {
      wanted: active.filter((record) => kept.has(record.replica)),
      unwanted: records.filter((record) => !kept.has(record.replica)).map(retired),
    };
  }
  const wanted = new Map(active.map((record) => [record.replica, record]));
  for (let replica = 0; wanted.size < want; replica++) {
    if (!wanted.has(replica))
      wanted.set(replica, records.find((record) => record.replica === replica) ?? newRecord(replica));
  }
  return {
    wanted: [...wanted.values()].sort((a, b) => a.replica - b.replica),
    unwanted: records.filter((record) => !wanted.has(record.replica)),
  };
}

/** As many as the status has room for; a job with a higher ordinal is none of ours, whatever it says. */
const SLOTS = 512;

/** Ordinals that jobs speak of and no record does: a status was lost. */
export function withUnrecorded(records: readonly ReplicaRecord[], jobs: readonly OwnJob[]): readonly ReplicaRecord[] {
  const known = new Set(records.map((record) => record.replica));
  const found = new Set(
    jobs.map((job) => job.identity.replica).filter((replica) => !known.has(replica) && replica < SLOTS),
  );
  return [...records, ...[...found].map(newRecord)].sort((a, b) => a.replica - b.replica);
}
