import type { Spec } from '../api/spec.ts';
import type { Failure, ReplicaRecord } from '../api/status.ts';
import { rfc3339, rfc3339Ms } from '../api/time.ts';
import { type EndState, jobKey } from '../slurm/job.ts';
import { spokeLastWord } from './attempts.ts';
import { cut } from './cut.ts';
import { classify, type End, type Verdict } from './failures.ts';
import type { Observation, OwnJob } from './observation.ts';
import { budgetExhausted, recordFailure, waitMs } from './retry.ts';

/** An end with all that is known of it. */
export type KnownEnd = Omit<End, 'named'> & {
  readonly jobId: string | undefined;
  readonly nodes: readonly string[];
  /** By Slurm's own word, or by that of who noticed. */
  readonly failedNodes: readonly string[];
  /** Words of the one who noticed, for the message. */
  readonly detail: string | undefined;
};

/** Of an end that nobody has told anything about. */
export const UNTOLD = {
  exitCode: undefined,
  signal: undefined,
  slurm: '',
  why: undefined,
  logTail: undefined,
  nodes: [],
  failedNodes: [],
  detail: undefined,
} as const satisfies Partial<KnownEnd>;

export type Judged = {
  readonly record: ReplicaRecord;
  readonly failure: Failure;
  readonly verdict: Verdict;
  readonly blamed: readonly string[];
};

/**
 * How an ended job ended. Details may be missing because Slurm could not be asked this time: then undefined, and the
 * next turn asks again; after a minute the listing's word alone has to do.
 */
export function endOf(seen: Observation, job: OwnJob): KnownEnd | undefined {
  const { report } = job;
  // Before its last word a job speaks of other things.
  const why = spokeLastWord(job) ? report.why : undefined;
  const ending = seen.endings.get(jobKey(job));
  if (ending) {
    return {
      end: ending.state,
      exitCode: ending.exitCode,
      signal: ending.signal,
      slurm: ending.reason,
      why,
      logTail: ending.logTail,
      jobId: job.id,
      nodes: ending.nodes.length > 0 ? ending.nodes : job.nodes,
      failedNodes: ending.failedNodes,
      detail: undefined,
    };
  }
  const listed = {
    ...UNTOLD,
    exitCode: report.code,
    slurm: job.reason,
    why,
    logTail: seen.logTails.get(jobKey(job)),
    jobId: job.id,
    nodes: job.nodes,
  };
  if (job.phase === 'completing') return { ...listed, end: endWhileCompleting(job) };
  if (job.phase === 'ended' && seen.now - job.endMs > ASK_FOR_MS) return { ...listed, end: job.state };
  return undefined;
}

/** Slurm does not say it before all nodes are cleaned up; the job's own last word does. */
function endWhileCompleting({ reason, report }: OwnJob): EndState {
  if (reason === 'NodeDown') return 'NODE_FAIL';
  return report.phase === 'ended' ? 'COMPLETED' : 'FAILED';
}

const ASK_FOR_MS = 60_000;

/** The attempt on record is judged, once: what it costs, when the next may come, whom it blames. */
export function judge(seen: Observation, spec: Spec, record: ReplicaRecord, end: KnownEnd): Judged {
  const { now, resource, policy } = seen;
  const { nodes: named, extent } = namedNodes(end, spec.resources.nodes);
  const verdict = classify({ ...end, named: extent });
  const restart = spec.restartPolicy;
  const failures = recordFailure(
    record.failures.map((past) => ({ atMs: Date.parse(past.time), spends: past.spends })),
    verdict,
    now,
    restart,
  );
  const wait = waitMs(verdict, failures, restart, policy, `${resource.uid}/${record.replica}/${record.attempt}`);
  const exhausted = verdict.spendsBudget && budgetExhausted(failures, restart);
  const holds =
    wait === undefined ||
    exhausted ||
    (verdict.reason === 'CancelledExternally' && restart.onExternalCancel === 'Hold');
  const { retryTime: _, retryReason: __, held: ___, ...rest } = record;
  const blamed = blamedNodes(seen, spec, verdict, end, named);
  const node = blamed[0] ?? named[0];
  return {
    verdict,
    blamed,
    record: {
      ...rest,
      // A refused submission made no job: the same attempt is tried again, so it is not settled.
      settledAttempt: isRefused(end) ? record.settledAttempt : record.attempt,
      failures: failures.map((failure) => ({ time: rfc3339Ms(failure.atMs), spends: failure.spends })),
      ...(wait !== undefined && wait > 0 && { retryTime: rfc3339Ms(now + wait), retryReason: verdict.reason }),
      ...(holds && {
        held: {
          reason: exhausted && wait !== undefined ? 'RestartsExhausted' : verdict.reason,
          generation: resource.specGeneration,
        },
      }),
    },
    failure: {
      reason: verdict.reason,
      message: cut(messageOf(verdict, end), MESSAGE_CHARS),
      ...(verdict.advice !== undefined && { advice: verdict.advice }),
      replica: record.replica,
      attempt: record.attempt,
      ...(node !== undefined && { node }),
      ...(end.jobId !== undefined && { jobId: end.jobId }),
      ...(end.exitCode !== undefined && { exitCode: end.exitCode }),
      ...(end.logTail !== undefined && end.logTail !== '' && { logTail: end.logTail.slice(-LOG_TAIL_CHARS) }),
      time: rfc3339(now),
    },
  };
}
/** Slurm refused it, or was not even asked. */
const isRefused = ({ end }: KnownEnd): boolean => end === 'REJECTED' || end === 'NOT_PLACED';

const LOG_TAIL_CHARS = 2_000;
const MESSAGE_CHARS = 2_000;

/** What the job's last word names, `WORD:NODE,NODE`, as far as it is of the allocation: a job is listened to, not trusted. */
function namedNodes(
  { why, nodes }: Pick<KnownEnd, 'why' | 'nodes'>,
  size: number,
): {
  readonly nodes: readonly string[];
  readonly extent: End['named'];
} {
  const [, list = ''] = why?.split(':', 2) ?? [];
  const names = new Set(list.split(','));
  const named = nodes.filter((node) => names.has(node));
  if (size === 1 || (nodes.length === size && named.length === size)) return { nodes: named, extent: 'all' };
  return { nodes: named, extent: named.length > 0 ? 'some' : undefined };
}

/**
 * Whom a failure is laid to, the surest knowledge first: Slurm's word, the job's, a line of its log, what Slurm calls
 * unusable since. Where nobody knows which of several nodes it was, none is kept out.
 */
function blamedNodes(
  seen: Observation,
  { resources }: Spec,
  verdict: Verdict,
  end: KnownEnd,
  named: readonly string[],
): readonly string[] {
  if (verdict.blame !== 'node' && verdict.blame !== 'peers') return [];
  const { nodes, failedNodes, logTail = '' } = end;
  if (failedNodes.length > 0) return failedNodes;
  const [first] = nodes;
  if (named.length > 0) {
    // Reached by none of the others, the first node is as suspect as they are.
    const alone = verdict.blame === 'peers' && first !== undefined && named.length === nodes.length - 1;
    return alone && !named.includes(first) ? [first, ...named] : named;
  }
  const inLog = verdict.match.log?.exec(logTail)?.groups?.node;
  if (inLog !== undefined && nodes.includes(inLog)) return [inLog];
  if (resources.nodes === 1) return nodes;
  return nodes.filter((node) => seen.usableNodes?.includes(node) === false);
}

function messageOf(verdict: Verdict, end: KnownEnd): string {
  const subject = end.jobId === undefined ? '' : `job ${end.jobId}: `;
  const facts = [
    ...(isRefused(end) || end.end === 'VANISHED' || end.end === 'OVERDUE' || end.end === 'UNRESPONSIVE'
      ? []
      : [end.end]),
    ...(end.exitCode ? [`exit code ${end.exitCode}`] : []),
    ...(end.signal ? [`signal ${end.signal}`] : []),
    ...(end.slurm && !/^(None|NonZeroExitCode)$/.test(end.slurm) ? [end.slurm] : []),
    ...(end.why ? [end.why.replace(':', ': ')] : []),
    ...(end.detail ? [end.detail] : []),
  ];
  const line = lineOf(verdict, end.logTail);
  return `${subject}${verdict.summary}${facts.length > 0 ? ` (${facts.join('; ')})` : ''}${line === undefined ? '' : `: ${line}`}`;
}

/** The line that decided, without what vLLM writes before each: process, level, time and place in its source. */
function lineOf({ match }: Verdict, logTail: string | undefined): string | undefined {
  const found = logTail === undefined ? null : match.log?.exec(logTail);
  if (!found || logTail === undefined) return undefined;
  const from = logTail.lastIndexOf('\n', found.index) + 1;
  const to = logTail.indexOf('\n', found.index);
  const line = logTail.slice(from, to < 0 ? undefined : to);
  return cut(line.replace(/^(\([^)]*\) )?([A-Z]+ [\d-]+ [\d:]+ \[[^\]]*\] )?/, '').trim(), LINE_CHARS);
}
const LINE_CHARS = 400;
