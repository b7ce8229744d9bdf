import { pendingRow } from './explain.ts';
import { FAILURES } from './failures.ts';

/** Made from the failure rows and the pending reasons; a path within the package. */
export const TROUBLESHOOTING = 'docs/troubleshooting.md';

/** Where a failure is explained; undefined for a reason of another version. */
export function failurePage(reason: string): string | undefined {
  return FAILURES.some((rule) => rule.reason === reason) ? `${TROUBLESHOOTING}#${anchorOf(reason)}` : undefined;
}

/** @param reason as squeue's `%r` prints it */
export function pendingPage(reason: string): string | undefined {
  const { row } = pendingRow(reason);
  return row && `${TROUBLESHOOTING}#${anchorOf(row.codes[0])}`;
}

/** The anchor of a heading of one word, as GitHub and most renderers make it. */
export function anchorOf(heading: string): string {
  return heading.toLowerCase();
}
