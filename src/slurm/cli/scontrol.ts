import type { JobEnding, JobRef } from '../job.ts';
import { expandNodeList } from '../node-list.ts';
import { spanOf } from '../phases.ts';
import { readState } from '../states.ts';
import type { Command } from './command-line.ts';
import { exitStatus } from './exit-status.ts';
import type { Ran } from './run.ts';
import { readTime, TIME_ENVIRONMENT } from './time.ts';

/**
 * Any number of jobs in one process, so that a prefix such as ssh is paid once: `scontrol` takes commands from stdin, and
 * one that names an unknown job does not stop it. On its command line it takes one id, in every version.
 * @param ids digits only
 */
export function scontrolCommand(ids: readonly string[]): Command {
  return {
    program: 'scontrol',
    args: ['--oneliner'],
    stdin: `${ids.map((id) => `show job ${id}`).join('\n')}\nquit\n`,
    environment: TIME_ENVIRONMENT,
  };
}

/** It exits 1 because one of the jobs is no longer known, and has answered for all others. */
export function onlyMissedJobs(ran: Ran): boolean {
  const lines = ran.stderr.split('\n').filter((line) => line.trim() !== '');
  return (
    ran.end.how === 'exited' &&
    ran.end.code === 1 &&
    lines.length > 0 &&
    lines.every((line) => /invalid job id specified/i.test(line))
  );
}

/**
 * Endings of those `refs` that the output shows ended, by id, name and submit time. The text is `Key=value` with blanks
 * between and inside: names of ours hold none, and all keys read here stand before the first text a job can write.
 */
export function parseScontrol(output: string, refs: readonly JobRef[]): readonly JobEnding[] {
  const wanted = new Map(refs.map((ref) => [ref.id, ref]));
  return output.split('\n').flatMap((line) => {
    const read = reader(line);
    const ref = wanted.get(read('JobId') ?? '');
    const ending = ref && readEnding(ref, read);
    return ending ? [ending] : [];
  });
}

function readEnding(ref: JobRef, read: (key: string) => string | undefined): JobEnding | undefined {
  const submitMs = readTime(read('SubmitTime') ?? '');
  if (read('JobName') !== ref.name || submitMs !== ref.submitMs) return undefined;
  const state = readState(read('JobState') ?? '');
  const nodes = expandNodeList(read('NodeList') ?? '');
  if (state?.phase !== 'ended' || nodes === undefined) return undefined;
  return {
    id: ref.id,
    name: ref.name,
    submitMs,
    state: state.state,
    ...exitStatus(read('ExitCode') ?? ''),
    // The one field in which scontrol, unlike squeue, writes blanks as underscores.
    reason: (read('Reason') ?? 'None').replaceAll('_', ' '),
    nodes,
    failedNodes: expandNodeList(read('FailedNode') ?? '') ?? [],
    ...spanOf({ nodes, submitMs }, readTime(read('StartTime') ?? ''), readTime(read('EndTime') ?? '')),
  };
}

function reader(line: string): (key: string) => string | undefined {
  return (key) => new RegExp(`(?:^| )${key}=(\\S*)`).exec(line)?.[1];
}
