import { isDeepStrictEqual } from 'node:util';
import type { Spec } from '../api/spec.ts';
import type { PlaceName, ReplicaRecord, TriedPlace } from '../api/status.ts';
import { rfc3339 } from '../api/time.ts';
import { isNamed, nameOf, type Place, specAt } from '../launch/places.ts';
import { isOver } from './attempts.ts';
import { cut } from './cut.ts';
import { explain } from './explain.ts';
import type { Observation, OwnJob } from './observation.ts';
import { recordsOf } from './records.ts';
import { soonest } from './soonest.ts';

/** Where the next job is for. Without `spec.slurm.places`: where the spec says, and there is nothing to choose. */
export type Choice = {
  /** Names one cluster and its partitions. */
  readonly spec: Spec;
  readonly place: PlaceName | undefined;
  readonly tried: readonly TriedPlace[];
  /** Nothing runs any more, and as soon as its end is judged this better place is gone back to: nothing is submitted before. */
  readonly returnsTo: PlaceName | undefined;
  /** ms until the wait here is over; undefined: nobody waits for that. */
  readonly waitMs: number | undefined;
};

type Chosen = { readonly place: Place; readonly tried: readonly TriedPlace[] } & Partial<
  Pick<Choice, 'returnsTo' | 'waitMs'>
>;

export function choosePlace(seen: Observation, spec: Spec): Choice {
  const [first, ...others] = spec.slurm.places ?? [];
  if (!first) return { spec, place: undefined, tried: [], returnsTo: undefined, waitMs: undefined };
  const { place, tried, returnsTo, waitMs } = choose(seen, spec, [first, ...others]);
  return { spec: specAt(spec, place), place: nameOf(place), tried, returnsTo, waitMs };
}

/** The scheduler's guess is looked at this often; no listing wakes anybody for it. */
const GUESS_MS = 30_000;
const WHY_CHARS = 500;
/** What a job is not taken for, where another place may take it. */
const REFUSED: readonly (string | undefined)[] = ['SubmissionRejected', 'SubmitLimitReached'];

type Places = readonly [Place, ...Place[]];

function choose(seen: Observation, spec: Spec, places: Places): Chosen {
  const { status } = seen.resource;
  const current = places.find((place) => isNamed(place, status.place));
  if (!current) return { place: firstOf(seen, places), tried: [] };
  const tried = (status.triedPlaces ?? []).filter((one) => places.some((place) => isNamed(place, one)));
  const stay = { place: current, tried };
  if (!seen.slurm.known || seen.viewSuspect) return stay;
  const records = recordsOf(status).filter(({ retired }) => !retired);
  const jobs = seen.slurm.value.jobs.filter((job) => isUnjudged(job, records));
  const live = jobs.filter((job) => !isOver(job));
  const started = live.filter(({ phase }) => phase !== 'pending');
  if (spec.suspend || started.length > 0)
    return { place: [current, ...places].find((place) => isAt(seen, place, started, records)) ?? current, tried: [] };

  if (!isHere(seen, current))
    return isOpen(seen, current) ? stay : { ...stay, place: fresh(seen, places, tried) ?? current };
  if (live.length > 0) return whileQueued(seen, places, stay, live, records);

  if (records.some(({ held }) => held)) return stay;
  const refusal = records.find(({ retryReason }) => REFUSED.includes(retryReason))?.retryReason;
  if (refusal !== undefined) return leave(seen, places, stay, { why: wordsOfRefusal(seen) ?? refusal, refused: true });
  if (tried.length > 0) return stay;
  const best = places.find((place) => isOpen(seen, place)) ?? current;
  if (best === current) return stay;
  if (jobs.length > 0) return { ...stay, returnsTo: nameOf(best) };
  return { ...stay, place: records.some(isOut) ? current : best };
}

/** Of a deployment that is at none of them: new, its place taken off the list, or its status lost. */
function firstOf(seen: Observation, places: Places): Place {
  const { place, cluster } = seen.resource.status;
  const isKnownHere = place === undefined && (cluster !== undefined || recordsOf(seen.resource.status).length > 0);
  return (
    (isKnownHere ? places.find((one) => isHere(seen, one)) : undefined) ??
    places.find((one) => isOpen(seen, one)) ??
    places[0]
  );
}

function isHere({ whereabouts: { here } }: Observation, { cluster }: Place): boolean {
  return cluster === undefined || cluster === here;
}

/** Not so while jobs of another place are being ended, or are kept because nobody may leave yet. */
function isAt(seen: Observation, place: Place, jobs: readonly OwnJob[], records: readonly ReplicaRecord[]): boolean {
  const isFor = ({ identity }: OwnJob): boolean =>
    records.every((record) => record.replica !== identity.replica || isMadeFor(record, place));
  return isHere(seen, place) && jobs.every(isFor);
}

function isOpen({ whereabouts: { clusters } }: Observation, { cluster }: Place): boolean {
  return cluster === undefined || clusters.get(cluster) === true;
}

const isTried = (place: Place, tried: readonly TriedPlace[]): boolean => tried.some((one) => isNamed(place, one));

function fresh(seen: Observation, places: readonly Place[], tried: readonly TriedPlace[]): Place | undefined {
  return places.find((place) => isOpen(seen, place) && !isTried(place, tried));
}

/** A claim that is on record no more tells nothing of it. */
export function isMadeFor({ partitions }: ReplicaRecord, at: Pick<Place, 'partitions'>): boolean {
  return partitions === undefined || isDeepStrictEqual(partitions, at.partitions);
}

/** What was refused elsewhere may be asked for here at once. */
export function withoutRefusals(records: readonly ReplicaRecord[]): readonly ReplicaRecord[] {
  return records.map((record) => {
    if (!REFUSED.includes(record.retryReason)) return record;
    const { retryTime: _, retryReason: __, ...rest } = record;
    return rest;
  });
}

/** Its attempt may still count: what was given up or judged only waits to be gone. */
function isUnjudged({ identity }: OwnJob, records: readonly ReplicaRecord[]): boolean {
  const record = records.find(({ replica }) => replica === identity.replica);
  return identity.attempt > (record?.settledAttempt ?? 0);
}

/** Submitted, and no listing has told what became of it. */
function isOut({ attempt, settledAttempt, jobId, doubtUntil }: ReplicaRecord): boolean {
  return attempt > settledAttempt && (jobId !== undefined || doubtUntil !== undefined);
}

/** None of its replicas runs. As long as one of them may start in time the others wait with it. */
function whileQueued(
  seen: Observation,
  places: Places,
  stay: Chosen,
  jobs: readonly OwnJob[],
  records: readonly ReplicaRecord[],
): Chosen {
  const { place, tried } = stay;
  if (!isAt(seen, place, jobs, records)) return stay;
  const others = places.filter((one) => one !== place);
  if (others.length === 0 || (isTried(place, tried) && !fresh(seen, others, tried))) return stay;
  const reasons = jobs.map((job) => whyLeave(seen, place, job));
  const [why] = reasons;
  if (why === undefined || reasons.includes(undefined)) {
    const dueMs = jobs.map((job) => job.submitMs + place.waitSeconds * 1000 - seen.now).filter((ms) => ms > 0);
    return { ...stay, waitMs: soonest([GUESS_MS, ...dueMs]) };
  }
  const guesses = jobs.flatMap((job) => (job.phase === 'pending' ? (job.expectedStartMs ?? []) : []));
  return leave(seen, places, stay, {
    why,
    ...(guesses.length > 0 && { expectedStartTime: rfc3339(Math.min(...guesses)) }),
  });
}

/** @returns undefined while it may still start in time */
function whyLeave({ now, policy }: Observation, { waitSeconds }: Place, job: OwnJob): string | undefined {
  const waitedMs = now - job.submitMs;
  const { reason, forever } = explain(job.reason);
  const because = reason === '' || reason === 'None' ? '' : ` (${reason})`;
  if (forever && waitedMs >= policy.queuedForeverGraceMs) return `job ${job.id} would wait for ever${because}`;
  if (waitedMs >= waitSeconds * 1000) return `job ${job.id} has waited ${waitSeconds} s${because}`;
  const expectedMs = job.phase === 'pending' ? job.expectedStartMs : undefined;
  if (expectedMs === undefined || expectedMs < job.submitMs + waitSeconds * 1000) return undefined;
  return `job ${job.id} is not expected to start within ${waitSeconds} s${because}`;
}

/** To the next one that was not tried; after the last to where SLURM expects the earliest start, to stay there. */
function leave(
  seen: Observation,
  places: Places,
  stay: Chosen,
  { why, ...told }: Omit<TriedPlace, 'cluster' | 'partitions'>,
): Chosen {
  const { place } = stay;
  const known = isTried(place, stay.tried);
  const tried = known ? stay.tried : [...stay.tried, { ...nameOf(place), why: cut(why, WHY_CHARS), ...told }];
  const next = fresh(seen, places, tried);
  if (next) return { place: next, tried };
  return known ? stay : { place: soonestOf(seen, places, tried) ?? place, tried };
}

function soonestOf(seen: Observation, places: Places, tried: readonly TriedPlace[]): Place | undefined {
  const open = places.filter((place) => isOpen(seen, place));
  const startOf = (place: Place): number => {
    const one = tried.find((other) => isNamed(place, other));
    if (one?.refused) return Number.POSITIVE_INFINITY;
    return Date.parse(one?.expectedStartTime ?? '') || Number.MAX_SAFE_INTEGER;
  };
  // Equal ones stay in the order of the list.
  return open.toSorted((a, b) => Math.sign(startOf(a) - startOf(b)) || 0)[0];
}

function wordsOfRefusal({ resource: { status } }: Observation): string | undefined {
  const { lastFailure } = status;
  return lastFailure && REFUSED.includes(lastFailure.reason) ? lastFailure.message : undefined;
}
