import type { Condition } from '../api/status.ts';
import { rfc3339 } from '../api/time.ts';
import { cut } from './cut.ts';

export type ConditionDraft = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** A status with one word too many cannot be written at all. Source: `Condition` in `api/status.ts`. */
const MESSAGE_CHARS = 4_096;

/** `lastTransitionTime` moves only when `status` does. A condition that is not drafted is gone. */
export function withTransitions(
  drafts: readonly ConditionDraft[],
  before: readonly Condition[],
  generation: number,
  now: number,
): Condition[] {
  return drafts.map((draft) => {
    const known = before.find((condition) => condition.type === draft.type);
    return {
      ...draft,
      message: cut(draft.message, MESSAGE_CHARS),
      lastTransitionTime: known && known.status === draft.status ? known.lastTransitionTime : rfc3339(now),
      observedGeneration: generation,
    };
  });
}
