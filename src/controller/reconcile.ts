import { isDeepStrictEqual } from 'node:util';
import { type Key, keyText } from '../api/key.ts';
import type { Resource } from '../api/resource.ts';
import type { Status } from '../api/status.ts';
import { rfc3339 } from '../api/time.ts';
import { decide } from '../decide/decide.ts';
import type { Outcome } from '../decide/plan.ts';
import { settle } from '../decide/settle.ts';
import { soonest } from '../decide/soonest.ts';
import { act, type SlurmLimit } from './act.ts';
import type { Deps } from './deps.ts';
import { type DeploymentEvent, eventsOf } from './events.ts';
import { observe, type Shared } from './observe.ts';

export type Turn = {
  /** ms until the next turn although nobody wakes it; undefined: none. */
  readonly requeueAfterMs: number | undefined;
  /** Slurm was told to change something: its next listing is news. */
  readonly acted: boolean;
};

const RETRY_WRITE_MS = 5_000;

/** One turn for one deployment. Safe to call at any time, any number of times, after any crash. */
export async function reconcile(key: Key, deps: Deps, shared: Shared, limit: SlurmLimit): Promise<Turn> {
  const observed = await observe(key, deps, shared);
  if (!observed.ok) {
    deps.log.warn({ deployment: keyText(key), error: observed.error.message }, 'the store does not answer; holding');
    return { requeueAfterMs: RETRY_WRITE_MS, acted: false };
  }
  const seen = observed.value;
  if (!seen) {
    deps.publisher?.forget(key);
    return { requeueAfterMs: undefined, acted: false };
  }
  const plan = decide(seen);
  const { outcomes, resource } = await act(seen.resource, plan.actions, deps, limit);
  const settled = settle(seen, plan, outcomes, deps.clock.now());
  const againMs = await report(seen.resource, resource, settled.status, outcomes, deps);
  return {
    requeueAfterMs: soonest([againMs, settled.requeueAfterMs]),
    acted: outcomes.some(({ action }) => action.kind === 'submit' || action.kind === 'cancel'),
  };
}

/** Status once, and only if it differs; then what follows from it, events and log lines. @returns ms until it has to be done again; undefined: it is done */
async function report(
  before: Resource,
  now: Resource | undefined,
  status: Status,
  outcomes: readonly Outcome[],
  deps: Deps,
): Promise<number | undefined> {
  const name = keyText(before.key);
  for (const { action, result } of outcomes) {
    if (!result.ok)
      deps.log.warn({ deployment: name, action: action.kind, error: result.error.message }, `${action.kind} failed`);
  }
  if (
    outcomes.some(
      ({ result, action }) => !result.ok && ['claim', 'addFinalizer', 'releaseFinalizer'].includes(action.kind),
    )
  )
    return RETRY_WRITE_MS;
  if (!now) {
    deps.publisher?.forget(before.key);
    deps.log.info({ deployment: name }, 'gone: no job of it is left');
    return undefined;
  }
  if (!isDeepStrictEqual(status, now.status)) {
    const written = await deps.store.writeStatus(now, status);
    if (!written.ok) {
      deps.log.warn(
        { deployment: name, error: written.error.message },
        'the status could not be written; it is made again',
      );
      return RETRY_WRITE_MS;
    }
    if (status.cluster !== now.status.cluster) deps.seat?.handedOver(written.value);
  }
  const published = await publish(now, status, deps);
  const events = [...eventsOf(before.status, status, outcomes, deps.clock.now()), ...published.events];
  if (events.length === 0) return published.retryMs;
  for (const event of events)
    deps.log[event.type === 'Warning' ? 'warn' : 'info']({ deployment: name, reason: event.reason }, event.message);
  await deps.events.record(now, events);
  return published.retryMs;
}

type Publication = { readonly retryMs: number | undefined; readonly events: readonly DeploymentEvent[] };

/** What only a person can change is told once, and waits for a change; what may pass is tried again, and told when it lasts. */
async function publish(resource: Resource, status: Status, { publisher, clock, log }: Deps): Promise<Publication> {
  const published = await publisher?.publish(resource, status);
  if (!published || published.ok) return { retryMs: undefined, events: [] };
  const { error } = published;
  const retryMs = error.kind === 'unavailable' ? (error.retryMs ?? RETRY_WRITE_MS) : undefined;
  if (retryMs !== undefined)
    log.warn(
      { deployment: keyText(resource.key), error: error.message, retryMs },
      'the endpoints could not be published; it is tried again',
    );
  const event = {
    time: rfc3339(clock.now()),
    type: 'Warning',
    reason: 'NotPublished',
    message: error.message,
  } as const;
  return { retryMs, events: error.isNews ? [event] : [] };
}
