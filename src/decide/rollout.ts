import type { Obstacle } from './obstacles.ts';
import { givenUp } from './records.ts';
import { isCancellable } from './replica.ts';
import type { Step } from './step.ts';

/**
 * Replaces replicas whose job comes from an older spec: those that do not serve at once, those that serve one at a
 * time and only while every other replica serves. A new spec that does not come up costs one replica, not all.
 * One whose probes fail still counts as serving: the silence may be ours, and when it is not it is given up in time.
 * @param obstacle with one no replacement could be submitted: then none is begun
 */
export function rollOut(steps: readonly Step[], obstacle?: Obstacle): readonly Step[] {
  if (obstacle) return steps.map((step) => (step.outdated && step.job ? kept(step, obstacle) : step));
  const allUp = steps.every((step) => step.state === 'ready');
  const first = allUp ? steps.find((step) => step.outdated) : undefined;
  return steps.map((step) => {
    if (!step.outdated || !step.job) return step;
    if (step.cancels.some(({ job }) => job === step.job)) return step; // given up already
    if (step !== first && (step.state === 'ready' || isSilent(step))) {
      return { ...step, message: `${step.message} (${step.madeFor}; it is replaced when the others serve)` };
    }
    return replace(step, step.job);
  });
}

function kept(step: Step, { reason, until, what }: Obstacle): Step {
  return {
    ...step,
    ...(step.state === 'ready' && { reason }),
    message: `${step.message} (${step.madeFor}; it is kept until ${until}: ${what})`,
  };
}

const TOLD = {
  'an older spec': { why: 'the spec has changed', what: 'comes from an older spec' },
  'another place': { why: 'another place is tried', what: 'was submitted for another place' },
} as const;

const isSilent = (step: Step): boolean => step.state === 'failing' && step.endpoint !== undefined;

function replace(step: Step, job: NonNullable<Step['job']>): Step {
  return {
    ...step,
    record: givenUp(step.record),
    cancels: isCancellable(job) ? [...step.cancels, { job, why: TOLD[step.madeFor].why }] : step.cancels,
    endpoint: undefined,
    state: 'stopping',
    reason: 'Replacing',
    message: `job ${job.id} ${TOLD[step.madeFor].what} and is replaced`,
  };
}
