import { isDeepStrictEqual } from 'node:util';
import type { DeploymentEvent } from '../../../src/controller/events.ts';
import { recordOf } from '../truth.ts';
import type { SafetyPromise } from './promise.ts';

/** What may be written. */
export const STATUS: readonly SafetyPromise[] = [
  {
    name: 'P16',
    says: 'transition times move only when the status moves, the status is bounded, events are not repeated',
    write(_, before, after) {
      for (const condition of after.status.conditions ?? []) {
        const known = before.status.conditions?.find((one) => one.type === condition.type);
        if (known && known.status === condition.status && known.lastTransitionTime !== condition.lastTransitionTime)
          return `${condition.type} moved its transition time and stayed ${condition.status}`;
      }
      if (isDeepStrictEqual(before.status, after.status) && isDeepStrictEqual(before.finalizers, after.finalizers))
        return `${after.key.name} is written as it was`;
      const size = JSON.stringify(after.status).length;
      return size > 65_536 ? `the status has ${size} characters` : undefined;
    },
  },
  {
    name: 'P16 events',
    says: 'events are not repeated',
    tell(truth, resource, events) {
      const [last] = truth.events(resource.uid).slice(-1);
      // What happened between two that are alike may have been lost with an operator, or with a write.
      if (last && Date.parse(last.time) < truth.undisturbedSinceMs()) return undefined;
      const all = last ? [last, ...events] : events;
      const again = events.find((event, index) => isSame(event, all[last ? index : index - 1]) && !isCall(event));
      return again && `${resource.key.name} tells twice in a row: ${again.reason}, ${again.message}`;
    },
  },
  {
    name: 'rule 5',
    says: 'the end of an attempt is settled once',
    write(_, before, after) {
      for (const record of after.status.records ?? []) {
        const known = recordOf(before, record.replica);
        if (!known || record.failures.length <= known.failures.length) continue;
        const settled = record.settledAttempt > known.settledAttempt;
        const refused = record.retryReason === 'SubmissionRejected' || record.retryReason === 'SubmitLimitReached';
        if (!settled && !refused) return `attempt ${known.settledAttempt} of replica ${record.replica} counts again`;
      }
      return undefined;
    },
  },
];

function isSame(a: DeploymentEvent, b: DeploymentEvent | undefined): boolean {
  return a.reason === b?.reason && a.message === b.message && a.type === b.type;
}

/** Each was a call of its own, and had to be made again. */
const isCall = ({ reason }: DeploymentEvent): boolean => reason === 'Cancelled' || reason === 'Submitted';
