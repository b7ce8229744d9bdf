import { isDeepStrictEqual } from 'node:util';
import type { Resource } from '../api/resource.ts';
import type { Failure, Status } from '../api/status.ts';
import { rfc3339 } from '../api/time.ts';
import type { Outcome } from '../decide/plan.ts';
import { placeText } from '../launch/places.ts';

/** Something happened to a deployment; told once. Reasons are those of the conditions. */
export type DeploymentEvent = {
  readonly time: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
};

/** Where events go. A lost event loses no state: nothing is decided from them. */
export interface EventSink {
  record(resource: Resource, events: readonly DeploymentEvent[]): Promise<void>;
}

/** What a turn is worth telling: each submission and cancel, each new failure, each turn of a condition. */
export function eventsOf(
  before: Status,
  after: Status,
  outcomes: readonly Outcome[],
  now: number,
): readonly DeploymentEvent[] {
  const time = rfc3339(now);
  const normal = (reason: string, message: string): DeploymentEvent => ({ time, type: 'Normal', reason, message });
  const warning = (reason: string, message: string): DeploymentEvent => ({ time, type: 'Warning', reason, message });
  const acted = outcomes.flatMap(({ action, result }) => {
    if (action.kind === 'submit' && result.ok)
      return [normal('Submitted', `replica ${action.replica} attempt ${action.attempt} is job ${result.value}`)];
    if (action.kind === 'cancel' && result.ok) return [normal('Cancelled', `job ${action.job.id}: ${action.why}`)];
    return [];
  });
  const { lastFailure } = after;
  const failed =
    lastFailure && !isSameFailure(lastFailure, before.lastFailure)
      ? [
          warning(
            lastFailure.reason,
            `replica ${lastFailure.replica} attempt ${lastFailure.attempt}: ${lastFailure.message}`,
          ),
        ]
      : [];
  const told = ['Ready', 'Stalled', 'SlurmReachable'];
  const stalled = after.conditions?.find((condition) => condition.type === 'Stalled');
  const turned = (after.conditions ?? []).flatMap((condition) => {
    if (condition.type === 'Ready' && condition.reason === stalled?.reason) return []; // Stalled tells it
    const known = before.conditions?.find((other) => other.type === condition.type);
    if (!told.includes(condition.type) || known?.status === condition.status) return [];
    if (!known && condition.type !== 'Stalled' && condition.status !== 'True') return [];
    if (!known && condition.type === 'SlurmReachable') return [];
    const good = condition.type === 'Stalled' ? condition.status === 'False' : condition.status === 'True';
    return [
      (good ? normal : warning)(condition.type === 'Ready' && good ? 'Ready' : condition.reason, condition.message),
    ];
  });
  return [...failed, ...placed(before, after).map((message) => normal('PlaceLeft', message)), ...acted, ...turned];
}

/** Why another place is tried, and which. */
function placed({ triedPlaces: known = [] }: Status, { place, triedPlaces = [] }: Status): readonly string[] {
  const left = triedPlaces[known.length];
  if (!left || !place) return [];
  const [from, to] = [placeText(left), placeText(place)];
  return [`${from}: ${left.why}; ${from === to ? 'no other would be sooner' : `now at ${to}`}`];
}

/** A submission refused again in the same words is no news, whenever it was. */
function isSameFailure({ time: _, ...failure }: Failure, before: Failure | undefined): boolean {
  if (!before) return false;
  const { time: __, ...known } = before;
  return isDeepStrictEqual(failure, known);
}
