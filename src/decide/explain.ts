import { PENDING_REASONS, type PendingReasonRow } from './pending-reasons.ts';

export type PendingReason = { readonly reason: string; readonly text: string; readonly forever: boolean };

const ROWS = PENDING_REASONS.map((row) => ({ row, patterns: row.codes.map(patternOf) }));
const UNFORESEEN = 'SLURM gives this reason; see squeue(1) JOB REASON CODES.';

/**
 * Why a job is not running, in a sentence with the next step.
 * @param reason as squeue's `%r` prints it, without brackets
 */
export function explain(reason: string): PendingReason {
  const { word, row } = pendingRow(reason);
  if (!row) return { reason: word, text: UNFORESEEN, forever: false };
  const text = row.advice === undefined ? row.meaning : `${row.meaning} ${row.advice}`;
  return { reason: word, text, forever: row.forever };
}

/** The row that counts for a reason, and the reason without the brackets squeue puts around it. */
export function pendingRow(reason: string): { readonly word: string; readonly row: PendingReasonRow | undefined } {
  const word = reason.replace(/^\((.*)\)$/s, '$1');
  return { word, row: ROWS.find(({ patterns }) => patterns.some((pattern) => pattern.test(word)))?.row };
}

/** Details follow a code behind a comma, a bracket or a blank; scontrol writes `_` for a blank. */
function patternOf(code: string): RegExp {
  const words = code.replaceAll('*', '[A-Za-z]*').replaceAll(' ', '[ _]');
  return new RegExp(`^${words}($|[^A-Za-z])`, 'i');
}
