import type { OwnJob } from './observation.ts';

/** Attempt's jobs as one: the copy that counts, and those that must not be. */
export type AttemptJobs = {
  /** The newest attempt's: the running copy, else the oldest; an ended one only when none lives, best not a cancelled one. */
  readonly current: OwnJob | undefined;
  /** Live jobs that may not go on: twins, older attempts, attempts already judged. */
  readonly condemned: readonly OwnJob[];
};

/**
 * @param jobs    of one replica
 * @param attempt the newest claimed
 * @param settled attempts up to this one were judged
 */
export function sortAttempt(jobs: readonly OwnJob[], attempt: number, settled: number): AttemptJobs {
  const mine = jobs.filter((job) => job.identity.attempt === attempt).sort(byPrecedence);
  const current = mine[0];
  const condemned = jobs.filter((job) => !isOver(job) && (job !== current || job.identity.attempt <= settled));
  return { current, condemned };
}

/** Over as far as we are concerned: a COMPLETING job whose last word is spoken only waits for its nodes to be cleaned. */
export function isOver(job: OwnJob): boolean {
  return job.phase === 'ended' || (job.phase === 'completing' && spokeLastWord(job));
}

export function spokeLastWord(job: OwnJob): boolean {
  return job.report.phase === 'failed' || job.report.phase === 'ended' || job.reason === 'NodeDown';
}

const RANK = { running: 0, completing: 1, pending: 2, ended: 3 } as const;

function byPrecedence(a: OwnJob, b: OwnJob): number {
  if (RANK[a.phase] !== RANK[b.phase]) return RANK[a.phase] - RANK[b.phase];
  // Of two that ended the cancelled one may be a twin that we cancelled ourselves: the other tells what happened.
  if (a.phase === 'ended' && b.phase === 'ended')
    return Number(a.state === 'CANCELLED') - Number(b.state === 'CANCELLED') || b.endMs - a.endMs;
  return a.submitMs - b.submitMs || Number(a.id) - Number(b.id);
}
