import { z } from 'zod';
import type { Job, JobEnding, JobHead } from '../job.ts';
import { expandNodeList } from '../node-list.ts';
import { jobInPhase, spanOf } from '../phases.ts';
import { type PhasedState, readState } from '../states.ts';
import { ExitCode, Text, Time, Words } from './json.ts';

/** A job as the controller tells it, in every version; 1 to 8 kB each, of which this is read. */
export const JobRecord = z.object({
  job_id: z.number(),
  name: Text,
  user_name: Text,
  partition: Text,
  job_state: Words,
  state_reason: Text,
  /** The long text, where there is one: what squeue's `%r` prints. */
  state_description: Text,
  nodes: Text,
  comment: Text,
  submit_time: Time,
  start_time: Time,
  end_time: Time,
  exit_code: ExitCode,
  /** 24.11 and later. */
  failed_node: Text,
});
export type JobRecord = z.output<typeof JobRecord>;

/** A job as accounting tells it. */
export const AccountedJob = z.looseObject({
  job_id: z.number(),
  name: Text,
  user: Text,
  state: z.looseObject({ current: Words, reason: Text }),
  nodes: Text,
  failed_node: Text,
  exit_code: ExitCode,
  time: z.looseObject({ submission: Time, start: Time, end: Time }),
});
export type AccountedJob = z.output<typeof AccountedJob>;

/** @returns undefined for what cannot be understood: no phase may be guessed */
export function readJob(record: JobRecord): Job | undefined {
  const state = phaseOf(record.job_state);
  const nodes = expandNodeList(record.nodes);
  const { submit_time: submitMs, start_time: startMs, end_time: endMs } = record;
  if (!state || !nodes || submitMs === undefined) return undefined;
  const head: JobHead = {
    id: String(record.job_id),
    name: record.name,
    user: record.user_name,
    partition: record.partition,
    reason: reasonOf(record),
    nodes: state.phase === 'pending' ? [] : nodes,
    comment: record.comment,
    submitMs,
  };
  return jobInPhase(head, state, startMs, endMs);
}

/** @returns undefined for a job that has not ended */
export function readEnding(record: JobRecord): JobEnding | undefined {
  const state = phaseOf(record.job_state);
  const nodes = expandNodeList(record.nodes);
  const { submit_time: submitMs, start_time: startMs, end_time: endMs } = record;
  if (state?.phase !== 'ended' || !nodes || submitMs === undefined) return undefined;
  return {
    id: String(record.job_id),
    name: record.name,
    submitMs,
    state: state.state,
    ...record.exit_code,
    reason: reasonOf(record),
    nodes,
    failedNodes: expandNodeList(record.failed_node) ?? [],
    ...spanOf({ nodes, submitMs }, startMs, endMs),
  };
}

/** @returns undefined for a job that accounting believes alive; `unread` for what cannot be understood */
export function readAccounted(job: AccountedJob): JobEnding | 'unread' | undefined {
  const state = phaseOf(job.state.current);
  const nodes = expandNodeList(job.nodes);
  const { submission: submitMs, start: startMs, end: endMs } = job.time;
  if (!state || !nodes || submitMs === undefined) return 'unread';
  if (state.phase !== 'ended') return undefined;
  return {
    id: String(job.job_id),
    name: job.name,
    submitMs,
    state: state.state,
    ...job.exit_code,
    reason: job.state.reason || 'None',
    nodes,
    failedNodes: expandNodeList(job.failed_node) ?? [],
    ...spanOf({ nodes, submitMs }, startMs, endMs),
  };
}

/** Later versions give flags beside the state: an ended job that still holds its nodes is `[CANCELLED, COMPLETING]`. */
function phaseOf(words: readonly string[]): PhasedState | undefined {
  const flag = FLAGS.find((one) => words.includes(one));
  return readState(flag ?? words[0] ?? '');
}
const FLAGS = [
  'COMPLETING',
  'CONFIGURING',
  'REQUEUE_HOLD',
  'REQUEUED',
  'SPECIAL_EXIT',
  'STOPPED',
  'RESIZING',
  'STAGE_OUT',
];

const reasonOf = ({ state_description, state_reason }: JobRecord): string =>
  state_description || state_reason || 'None';
