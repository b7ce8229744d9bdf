import type { Job, JobEnding, JobHead } from './job.ts';
import type { PhasedState } from './states.ts';

/** @returns undefined for a job that runs and does not say since when */
export function jobInPhase(
  head: JobHead,
  state: PhasedState,
  startMs: number | undefined,
  endMs: number | undefined,
): Job | undefined {
  switch (state.phase) {
    case 'pending':
      return { ...head, ...state, ...(startMs !== undefined && { expectedStartMs: startMs }) };
    case 'running':
      return startMs === undefined ? undefined : { ...head, ...state, startMs };
    case 'completing':
      return { ...head, ...state, ...(startMs !== undefined && { startMs }) };
    case 'ended':
      return { ...head, ...state, ...spanOf(head, startMs, endMs) };
  }
}

/** A job that never had a node is given its end as its start, and one refused on arrival may have neither. */
export function spanOf(
  { nodes, submitMs }: Pick<JobHead, 'nodes' | 'submitMs'>,
  startMs: number | undefined,
  endMs: number | undefined,
): Pick<JobEnding, 'startMs' | 'endMs'> {
  return {
    ...(startMs !== undefined && nodes.length > 0 && { startMs }),
    endMs: endMs ?? startMs ?? submitMs,
  };
}
