import type { Endpoint, ExcludedNode, Failure, ReplicaRecord } from '../api/status.ts';
import type { Choice } from './choose-place.ts';
import type { OwnJob } from './observation.ts';
import type { Action } from './plan.ts';

/** Where a replica stands, in the order in which people want to hear of it. */
export const SLOT_STATES = [
  /** Given up until the spec changes. */
  'held',
  /** In the queue for a reason that waiting does not end, or refused by sbatch. */
  'blocked',
  /** Failed; the next attempt has to wait. */
  'backingOff',
  /** Answered before and does not now. */
  'failing',
  /** Its job is missing from the listing, or may still land. */
  'inDoubt',
  'queued',
  'starting',
  /** About to be submitted. */
  'submitting',
  /** An old job must end first. */
  'stopping',
  'ready',
] as const;
export type SlotState = (typeof SLOT_STATES)[number];

/** What a turn concludes for one replica. */
export type Step = {
  readonly record: ReplicaRecord;
  /** The job that counts, if any. */
  readonly job: OwnJob | undefined;
  readonly cancels: readonly { readonly job: OwnJob; readonly why: string }[];
  readonly submit: Extract<Action, { kind: 'submit' }> | undefined;
  readonly endpoint: Omit<Endpoint, 'since'> | undefined;
  readonly state: SlotState;
  readonly reason: string;
  readonly message: string;
  /** Its job comes from another spec than the present one, or is for another place. */
  readonly outdated: boolean;
  /** What such a job is from, or for. */
  readonly madeFor: 'an older spec' | 'another place';
  /** An attempt was judged in this turn. */
  readonly failure: Failure | undefined;
  readonly blamed: readonly string[];
  /** ms until something is due although nothing happens. */
  readonly waitMs: number | undefined;
};

/** What a turn concludes for the whole deployment, before it is put into words. */
export type Draft = {
  readonly steps: readonly Step[];
  readonly excludedNodes: readonly ExcludedNode[];
  /** Slots not wanted at present. */
  readonly retiredRecords: readonly ReplicaRecord[];
  readonly jobs: readonly OwnJob[];
  /** Undefined: no spec was ever good. */
  readonly choice: Choice | undefined;
};
