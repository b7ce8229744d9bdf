import type { SecretProblem } from './observation.ts';
import { givenUp } from './records.ts';
import { isCancellable } from './replica.ts';
import type { Step } from './step.ts';

/**
 * Replaces replicas whose job comes from an older spec: those that do not serve at once, those that serve one at a
 * time and only while every other replica serves. A new spec that does not come up costs one replica, not all.
 * One whose probes fail still counts as serving: the silence may be ours, and when it is not it is given up in time.
 * @param lacking secrets without which no replacement could be submitted: then none is begun
 */
export function rollOut(steps: readonly Step[], [lacking]: readonly SecretProblem[] = []): readonly Step[] {
  if (lacking) return steps.map((step) => (step.outdated && step.job ? kept(step, lacking) : step));
  const allUp = steps.every((step) => step.state === 'ready');
  const first = allUp ? steps.find((step) => step.outdated) : undefined;
  return steps.map((step) => {
    if (!step.outdated || !step.job) return step;
    if (step.cancels.some(({ job }) => job === step.job)) return step; // given up already
    if (step !== first && (step.state === 'ready' || isSilent(step))) {
      return { ...step, message: `${step.message} (an older spec; it is replaced when the others serve)` };
    }
    return replace(step, step.job);
  });
}

function kept(step: Step, { kind, field, message }: SecretProblem): Step {
  return {
    ...step,
    ...(step.state === 'ready' && { reason: kind === 'missing' ? 'SecretMissing' : 'SecretUnreachable' }),
    message: `${step.message} (an older spec; it is kept until the new one can be given what it needs: ${field}: ${message})`,
  };
}

const isSilent = (step: Step): boolean => step.state === 'failing' && step.endpoint !== undefined;

function replace(step: Step, job: NonNullable<Step['job']>): Step {
  return {
    ...step,
    record: givenUp(step.record),
    cancels: isCancellable(job) ? [...step.cancels, { job, why: 'the spec has changed' }] : step.cancels,
    endpoint: undefined,
    state: 'stopping',
    reason: 'Replacing',
    message: `job ${job.id} comes from an older spec and is replaced`,
  };
}
