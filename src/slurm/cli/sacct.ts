import { err, ok, type Result } from '../../result.ts';
import type { JobEnding } from '../job.ts';
import { expandNodeList } from '../node-list.ts';
import { spanOf } from '../phases.ts';
import { readState } from '../states.ts';
import type { Command } from './command-line.ts';
import { exitStatus } from './exit-status.ts';
import { readTime, TIME_ENVIRONMENT } from './time.ts';

/** Names a call: far below the length of a command line. */
export const NAMES_A_CALL = 200;

/** The database's clock is not ours, nor is the controller's. */
const CLOCK_MARGIN_SECONDS = 300;

/**
 * `--duplicates`: ids are used again, and the older job is as real. Times go in as seconds before now, which no time zone
 * changes. A job that was held until it was cancelled is not found by name; none of ours begins held.
 * @param sinceMs epoch, ms: without a bound a query walks the whole table
 */
export function sacctCommand(names: readonly string[], sinceMs: number, nowMs: number, failedNode: boolean): Command {
  const agoSeconds = Math.max(0, Math.ceil((nowMs - sinceMs) / 1000)) + CLOCK_MARGIN_SECONDS;
  return {
    program: 'sacct',
    args: [
      '--duplicates',
      '--parsable2',
      '--noheader',
      '--allocations',
      `--name=${names.join(',')}`,
      `--starttime=now-${agoSeconds}`,
      `--format=${FIELDS.join(',')}${failedNode ? ',FailedNode' : ''}`,
    ],
    environment: TIME_ENVIRONMENT,
  };
}
const FIELDS = ['JobIDRaw', 'JobName', 'State', 'ExitCode', 'Submit', 'Start', 'End', 'Reason', 'NodeList'] as const;

/** Endings in the output; jobs that accounting believes alive are left out, a line that is none of its own is an error. */
export function parseSacct(output: string, sinceMs: number): Result<readonly JobEnding[], string> {
  const endings: JobEnding[] = [];
  for (const line of output.split('\n')) {
    const fields = line.split('|');
    // Anything else is a login greeting.
    if (fields.length < FIELDS.length) continue;
    const [id = '', name = '', word = '', exit = '', submit = '', start = '', end = '', reason = '', nodeList = ''] =
      fields;
    const state = readState(word);
    const submitMs = readTime(submit);
    const nodes = expandNodeList(nodeList);
    if (state === undefined || submitMs === undefined || nodes === undefined) {
      return err(`accounting says of job ${name} what cannot be understood: ${line}`);
    }
    // Submit times are whole seconds.
    if (state.phase !== 'ended' || submitMs + 999 < sinceMs) continue;
    endings.push({
      id,
      name,
      submitMs,
      state: state.state,
      ...exitStatus(exit),
      reason: reason === '' ? 'None' : reason,
      nodes,
      failedNodes: expandNodeList(fields[FIELDS.length] ?? '') ?? [],
      ...spanOf({ nodes, submitMs }, readTime(start), readTime(end)),
    });
  }
  return ok(endings);
}
