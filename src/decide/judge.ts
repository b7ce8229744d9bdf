import type { Spec } from '../api/spec.ts';
import type { Failure, ReplicaRecord } from '../api/status.ts';
import { rfc3339, rfc3339Ms } from '../api/time.ts';
import { jobKey } from '../slurm/job.ts';
import { cut } from './cut.ts';
import { classify, type End, type Verdict } from './failures.ts';
import type { Observation, OwnJob } from './observation.ts';
import { budgetExhausted, recordFailure, waitMs } from './retry.ts';

/** An end with all that is known of it. */
export type KnownEnd = End & {
  readonly jobId: string | undefined;
  readonly nodes: readonly string[];
  readonly failedNodes: readonly string[];
  /** Words of the one who noticed, for the message. */
  readonly detail: string | undefined;
};

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
  const detail =
    [report.why, report.failureClass && `class ${report.failureClass}`].filter(Boolean).join(', ') || undefined;
  const lost = report.why?.startsWith('lost:')
    ? report.why
        .slice('lost:'.length)
        .split(/[ ,]+/)
        .filter((node) => job.nodes.includes(node))
    : [];
  const ending = seen.endings.get(jobKey(job));
  if (ending) {
    return {
      end: ending.state,
      exitCode: ending.exitCode,
      signal: ending.signal,
      slurm: ending.reason,
      logTail: ending.logTail,
      jobId: job.id,
      nodes: ending.nodes.length > 0 ? ending.nodes : job.nodes,
      failedNodes: ending.failedNodes.length > 0 ? ending.failedNodes : lost,
      detail,
    };
  }
  const common = { slurm: job.reason, logTail: undefined, jobId: job.id, nodes: job.nodes, failedNodes: lost, detail };
  if (job.phase === 'completing')
    return {
      ...common,
      end: job.reason === 'NodeDown' ? 'NODE_FAIL' : 'FAILED',
      exitCode: report.code,
      signal: undefined,
    };
  if (job.phase === 'ended' && seen.now - job.endMs > ASK_FOR_MS)
    return { ...common, end: job.state, exitCode: report.code, signal: undefined };
  return undefined;
}
const ASK_FOR_MS = 60_000;

/** The attempt on record is judged, once: what it costs, when the next may come, whom it blames. */
export function judge(seen: Observation, spec: Spec, record: ReplicaRecord, end: KnownEnd): Judged {
  const { now, resource, policy } = seen;
  const verdict = classify(end);
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
  const blamed = verdict.blame === 'node' ? (end.failedNodes.length > 0 ? end.failedNodes : end.nodes) : [];
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
      ...(blamed[0] !== undefined && { node: blamed[0] }),
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

function messageOf(verdict: Verdict, end: KnownEnd): string {
  const subject = end.jobId === undefined ? '' : `job ${end.jobId}: `;
  const facts = [
    ...(isRefused(end) || end.end === 'VANISHED' || end.end === 'OVERDUE' || end.end === 'UNRESPONSIVE'
      ? []
      : [end.end]),
    ...(end.exitCode ? [`exit code ${end.exitCode}`] : []),
    ...(end.signal ? [`signal ${end.signal}`] : []),
    ...(end.slurm && !/^(None|NonZeroExitCode)$/.test(end.slurm) ? [end.slurm] : []),
    ...(end.detail ? [end.detail] : []),
  ];
  return `${subject}${verdict.summary}${facts.length > 0 ? ` (${facts.join('; ')})` : ''}`;
}
