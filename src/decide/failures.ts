import type { EndWord, FailureRule } from './failure-rule.ts';
import { FOUND_BY_JOB } from './failures/found-by-job.ts';
import { READ_IN_LOG } from './failures/read-in-log.ts';
import { TOLD_BY_SLURM } from './failures/told-by-slurm.ts';

/** What is left when nothing says more than the class of the end. */
const ENGINE_ENDED = [
  {
    reason: 'EngineHung',
    match: { exitCodes: [69] },
    blame: 'transient',
    retry: 'now',
    spendsBudget: true,
    summary: 'the engine stopped producing tokens',
    source: 'config/launch/serve.sh exit code 69',
  },
  {
    reason: 'StartupTimeout',
    match: { exitCodes: [70] },
    blame: 'transient',
    retry: 'backoff',
    spendsBudget: true,
    summary: 'the model did not answer within probes.startup.timeoutSeconds',
    advice: 'set spec.probes.startup.timeoutSeconds higher if the weights are large or the file system slow',
    source: 'config/launch/serve.sh exit code 70',
  },
  {
    reason: 'EngineFailed',
    match: { exitCodes: [65] },
    blame: 'transient',
    retry: 'backoff',
    spendsBudget: true,
    summary: 'the engine did not start',
    advice: 'read the log tail',
    source: 'config/launch/serve.sh exit code 65',
  },
  {
    reason: 'EngineFailed',
    match: { exitCodes: [68] },
    blame: 'transient',
    retry: 'now',
    spendsBudget: true,
    summary: 'the engine died after it had served',
    advice: 'read the log tail',
    source: 'config/launch/serve.sh exit code 68',
  },
  {
    reason: 'EngineFailed',
    match: {},
    blame: 'transient',
    retry: 'backoff',
    spendsBudget: true,
    summary: 'the engine died',
    advice: 'read the log tail',
    source: 'fallback',
  },
] as const satisfies readonly FailureRule[];

/**
 * Rows in order, first match wins, the last matches everything. The reference page, the reason type and a test that
 * wants an example for each row are made from the rows.
 */
export const FAILURES = [...TOLD_BY_SLURM, ...FOUND_BY_JOB, ...READ_IN_LOG, ...ENGINE_ENDED] as const;

export type FailureReason = (typeof FAILURES)[number]['reason'];
export type Verdict = Omit<FailureRule, 'reason'> & { readonly reason: FailureReason };

export type End = {
  readonly end: EndWord;
  readonly exitCode: number | undefined;
  readonly signal: number | undefined;
  readonly slurm: string;
  readonly why: string | undefined;
  readonly named: 'all' | 'some' | undefined;
  readonly logTail: string | undefined;
};

export function classify(end: End): Verdict {
  const rules: readonly Verdict[] = FAILURES;
  const verdict = rules.find(({ match }) => matches(match, end));
  if (!verdict) throw new Error('the last rule matches everything');
  return verdict;
}

function matches(match: FailureRule['match'], end: End): boolean {
  return (
    (match.ends?.includes(end.end) ?? true) &&
    (match.exitCodes === undefined || (end.exitCode !== undefined && match.exitCodes.includes(end.exitCode))) &&
    (match.signals === undefined || (end.signal !== undefined && match.signals.includes(end.signal))) &&
    (match.slurm?.test(end.slurm) ?? true) &&
    (match.why?.test(end.why ?? '') ?? true) &&
    (match.named === undefined || match.named === end.named) &&
    (match.log === undefined || (end.logTail !== undefined && match.log.test(end.logTail)))
  );
}
