import type { Status } from '../api/status.ts';
import { rfc3339Ms } from '../api/time.ts';
import { assertNever } from '../result.ts';
import { judge, UNTOLD } from './judge.ts';
import type { Observation } from './observation.ts';
import type { Action, Outcome, Plan } from './plan.ts';
import { submittedMessage } from './replica.ts';
import { soonest } from './soonest.ts';
import type { Step } from './step.ts';
import { summarize } from './summary.ts';

export type Settled = { readonly status: Status; readonly requeueAfterMs: number | undefined };

const NEEDED_FIRST: readonly Action['kind'][] = ['addFinalizer', 'claim'];

/** Folds what the actions came to into the status. */
export function settle(seen: Observation, plan: Plan, outcomes: readonly Outcome[], now: number): Settled {
  const { draft } = plan;
  const failed = outcomes.some(({ action, result }) => !result.ok && NEEDED_FIRST.includes(action.kind));
  // What must be on record before could not be written, so nothing was done: the status on record stays the truth.
  if (failed) return { status: seen.resource.status, requeueAfterMs: seen.policy.tickMs };
  const submitted = outcomes.filter((outcome) => outcome.action.kind === 'submit');
  if (!draft || submitted.length === 0) return { status: plan.status, requeueAfterMs: plan.requeueAfterMs };
  const at = { ...seen, now };
  const steps = draft.steps.map((step) => {
    const outcome = submitted.find(({ action }) => action.kind === 'submit' && action.replica === step.record.replica);
    return outcome ? settleSubmit(at, step, outcome as SubmitOutcome) : step;
  });
  return {
    // The time of the claim, so that no transition moves between two writes of one turn. A refusal ends no attempt:
    // the restarts are those of the plan.
    status: { ...summarize(seen, { ...draft, steps }), restarts: plan.status.restarts },
    requeueAfterMs: soonest([plan.requeueAfterMs, ...steps.map((step) => step.waitMs)]),
  };
}

type SubmitOutcome = Extract<Outcome, { action: { kind: 'submit' } }>;

function settleSubmit(seen: Observation, step: Step, { result }: SubmitOutcome): Step {
  const { doubtUntil: _, ...record } = step.record;
  const { now, policy } = seen;
  if (result.ok) {
    const jobId = result.value;
    return {
      ...step,
      // A listing asked for before this moment may lack the job: nothing is concluded from it.
      record: { ...record, jobId, doubtUntil: rfc3339Ms(now) },
      reason: 'Submitted',
      message: submittedMessage(record.attempt, jobId),
    };
  }
  switch (result.error.kind) {
    case 'unknown':
      return {
        ...step,
        record: { ...record, doubtUntil: rfc3339Ms(now + policy.doubtWindowMs) },
        state: 'inDoubt',
        reason: 'SubmissionInDoubt',
        message: `SLURM did not say whether attempt ${record.attempt} was accepted (${result.error.message}); looking for it before it is tried again`,
        waitMs: policy.doubtWindowMs + policy.tickMs,
      };
    case 'unreachable': {
      const retryTime = rfc3339Ms(now + policy.unreachableRetryMs);
      return {
        ...step,
        record: { ...record, retryTime, retryReason: 'SlurmUnreachable' },
        state: 'backingOff',
        reason: 'SlurmUnreachable',
        message: `attempt ${record.attempt} did not reach SLURM (${result.error.message}); it is tried again`,
        waitMs: policy.unreachableRetryMs,
      };
    }
    case 'rejected':
      return settleRefused(seen, { ...step, record }, 'REJECTED', result.error.message);
    case 'notPlaced':
      return settleRefused(seen, { ...step, record }, 'NOT_PLACED', result.error.message);
    default:
      return assertNever(result.error);
  }
}

/** Refused, in sbatch's own words or before it was asked: no job exists, the same attempt may be tried again later. */
function settleRefused(seen: Observation, step: Step, end: 'REJECTED' | 'NOT_PLACED', words: string): Step {
  const { spec } = seen.resource;
  if (!spec) return step;
  const judged = judge(seen, spec, step.record, { ...UNTOLD, end, slurm: words, jobId: undefined });
  const retryMs = judged.record.retryTime === undefined ? undefined : Date.parse(judged.record.retryTime) - seen.now;
  return {
    ...step,
    record: judged.record,
    failure: judged.failure,
    state: judged.verdict.blame === 'configuration' ? 'blocked' : 'backingOff',
    reason: judged.failure.reason,
    message: `attempt ${step.record.attempt} is not submitted again before ${judged.record.retryTime ?? 'the spec changes'}`,
    waitMs: retryMs,
  };
}
