import { z } from 'zod';
import { END_STATES, type Job, type JobEnding } from '../job.ts';

/** What the disk keeps of one job. The comment a running job wrote of itself stands in a file of its own. */
const Head = z.object({
  id: z.string().regex(/^\d{1,12}$/),
  name: z.string(),
  user: z.string(),
  comment: z.string(),
  submitMs: z.number(),
  /** `NAME=value` in the environment of every process of this job and of no other. */
  token: z.string(),
});
const Phase = z.discriminatedUnion('phase', [
  z.object({ phase: z.literal('pending'), reason: z.string() }),
  z.object({
    phase: z.literal('started'),
    startMs: z.number(),
    cpus: z.number(),
    /** Indices of the granted slots. */
    gpus: z.array(z.number()).readonly(),
    /** It is being ended: it holds its slots, and twins do not wait for it. */
    cancelled: z.boolean(),
  }),
  z.object({
    phase: z.literal('ended'),
    startMs: z.number().optional(),
    endMs: z.number(),
    state: z.enum(END_STATES),
    exitCode: z.number(),
    signal: z.number(),
    reason: z.string(),
    /** Off the queue; only `history` still knows it. */
    purged: z.boolean(),
  }),
]);
export const JobRecord = z.intersection(Head, Phase).readonly();
export type JobRecord = z.infer<typeof JobRecord>;
export type PendingRecord = JobRecord & { readonly phase: 'pending' };
export type StartedRecord = JobRecord & { readonly phase: 'started' };
export type EndedRecord = JobRecord & { readonly phase: 'ended' };

export const isPending = (record: JobRecord): record is PendingRecord => record.phase === 'pending';
export const isStarted = (record: JobRecord): record is StartedRecord => record.phase === 'started';
export const isEnded = (record: JobRecord): record is EndedRecord => record.phase === 'ended';

/** The one partition of a local cluster. */
export const PARTITION = 'local';

/** As a listing shows it. */
export function listed(record: JobRecord, nodeName: string): Job {
  const { id, name, user, comment, submitMs } = record;
  const head = { id, name, user, comment, submitMs, partition: PARTITION };
  switch (record.phase) {
    case 'pending':
      return { ...head, phase: 'pending', state: 'PENDING', reason: record.reason, nodes: [] };
    case 'started': {
      const placed = { ...head, reason: 'None', nodes: [nodeName], startMs: record.startMs };
      return record.cancelled
        ? { ...placed, phase: 'completing', state: 'COMPLETING' }
        : { ...placed, phase: 'running', state: 'RUNNING' };
    }
    case 'ended': {
      const { state, reason, endMs, startMs } = record;
      const began = startMs === undefined ? { nodes: [] } : { nodes: [nodeName], startMs };
      return { ...head, phase: 'ended', state, reason, endMs, ...began };
    }
  }
}

/** As `scontrol show job` or `sacct` tells of it. */
export function ending(record: EndedRecord, nodeName: string): JobEnding {
  const { id, name, submitMs, state, exitCode, signal, reason, startMs, endMs } = record;
  const began = startMs === undefined ? { nodes: [] } : { nodes: [nodeName], startMs };
  return { id, name, submitMs, state, exitCode, signal, reason, failedNodes: [], endMs, ...began };
}

/** `cancelled` and `timeout` are the keeper's words for why it ended the script. */
export type ScriptEnd = {
  readonly how: 'exited' | 'cancelled' | 'timeout';
  readonly code: number;
  readonly endMs: number;
};

/** The record of a job whose script is over. `end` is undefined when its keeper died without a word. */
export function settled(record: StartedRecord, end: ScriptEnd | undefined, nowMs: number): EndedRecord {
  const { id, name, user, comment, submitMs, token, startMs } = record;
  const head = { id, name, user, comment, submitMs, token, startMs, phase: 'ended', purged: false } as const;
  const endMs = Math.max(startMs, end?.endMs ?? nowMs);
  if (!end) return { ...head, endMs, state: 'FAILED', exitCode: 0, signal: 9, reason: 'RaisedSignal:9(Killed)' };
  if (end.how === 'cancelled') return { ...head, endMs, state: 'CANCELLED', exitCode: 0, signal: 15, reason: 'None' };
  if (end.how === 'timeout') return { ...head, endMs, state: 'TIMEOUT', exitCode: 0, signal: 15, reason: 'TimeLimit' };
  if (end.code === 0) return { ...head, endMs, state: 'COMPLETED', exitCode: 0, signal: 0, reason: 'None' };
  const signal = DEADLY_SIGNALS[end.code - 128];
  if (signal === undefined)
    return { ...head, endMs, state: 'FAILED', exitCode: end.code, signal: 0, reason: 'NonZeroExitCode' };
  const reason = `RaisedSignal:${end.code - 128}(${signal})`;
  return { ...head, endMs, state: 'FAILED', exitCode: 0, signal: end.code - 128, reason };
}

/**
 * A shell tells a death by signal and an exit of 128 + signal alike. These are the signals no script chooses as its
 * own way out; 143 and 130 are, and stay exit codes. That it was for want of memory cannot be proven here.
 */
const DEADLY_SIGNALS: Readonly<Record<number, string>> = {
  3: 'Quit',
  4: 'Illegal instruction',
  6: 'Aborted',
  7: 'Bus error',
  8: 'Floating point exception',
  9: 'Killed',
  11: 'Segmentation fault',
};
