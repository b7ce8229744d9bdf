import type { ReplicaRecord } from '../../src/api/status.ts';
import type { Plan } from '../../src/decide/plan.ts';
import { conditionOf } from '../gen/observation.ts';

/** A whole plan short enough to be read in a table: scripts and conditions are held by tests of their own. */
export type Outline = {
  readonly actions: readonly string[];
  readonly records: readonly ReplicaRecord[];
  readonly phase: string | undefined;
  readonly ready: string;
  readonly requeueAfterMs: number | undefined;
};

export function outlineOf(plan: Plan): Outline {
  const ready = conditionOf(plan.status, 'Ready');
  return {
    actions: actionsOf(plan),
    records: plan.status.records ?? [],
    phase: plan.status.phase,
    ready: `${ready?.status} ${ready?.reason}: ${ready?.message}`,
    requeueAfterMs: plan.requeueAfterMs,
  };
}

export const actionsOf = (plan: Plan): readonly string[] =>
  plan.actions.map((action) => {
    if (action.kind === 'submit') return `submit ${action.name}`;
    return action.kind === 'cancel' ? `cancel ${action.job.id}: ${action.why}` : action.kind;
  });
