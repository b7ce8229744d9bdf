import type { Resource } from '../api/resource.ts';
import type { Action, Outcome, SubmitError } from '../decide/plan.ts';
import { err, ok, type Result } from '../result.ts';
import type { SlurmError } from '../slurm/slurm.ts';
import type { StoreError } from '../store/store.ts';
import { asItsUser, credentialsOf } from './credentials.ts';
import type { Deps } from './deps.ts';
import type { Pace, Urgency } from './pace.ts';
import { forgetSecrets, placeSecrets } from './secrets.ts';

export type Acted = {
  readonly outcomes: readonly Outcome[];
  /** The resource after the last write; undefined once it is released. */
  readonly resource: Resource | undefined;
};

/** Calls that change something in Slurm, as many and as often as the whole fleet may. */
export type SlurmLimit = Pace['run'];

/**
 * Carries out, decides nothing: the writes in order, then the cancels, then the submissions. What stands behind a
 * write that failed is not done. Once a call does not reach Slurm, those not begun yet are not begun: each would take
 * its whole deadline.
 */
export async function act(seen: Resource, actions: readonly Action[], deps: Deps, limit: SlurmLimit): Promise<Acted> {
  const written = await carryOutWrites(seen, actions.filter(isWrite), deps);
  if (written.outcomes.some(({ result }) => !result.ok)) return written;
  const reach = untilUnreachable(limit);
  const cancelled = await Promise.all(
    actions
      .filter((action) => action.kind === 'cancel')
      .map(
        async (action): Promise<Outcome> => ({
          action,
          result: await cancel(seen, action, deps, reach),
        }),
      ),
  );
  const submitted = await Promise.all(
    actions
      .filter((action) => action.kind === 'submit')
      .map(async (action): Promise<Outcome> => ({ action, result: await submit(seen, action, deps, reach) })),
  );
  return { outcomes: [...written.outcomes, ...cancelled, ...submitted], resource: written.resource };
}

type Write = Extract<Action, { kind: 'addFinalizer' | 'releaseFinalizer' | 'claim' }>;
type Submit = Extract<Action, { kind: 'submit' }>;
type Cancel = Extract<Action, { kind: 'cancel' }>;

const isWrite = (action: Action): action is Write => action.kind !== 'cancel' && action.kind !== 'submit';

async function carryOutWrites(seen: Resource, actions: readonly Write[], deps: Deps): Promise<Acted> {
  let resource: Resource | undefined = seen;
  const outcomes: Outcome[] = [];
  for (const action of actions) {
    if (!resource) break;
    const written: Result<Resource | undefined, StoreError> = await write(action, resource, deps);
    outcomes.push({ action, result: written.ok ? ok(undefined) : written });
    if (!written.ok) break;
    resource = written.value;
  }
  return { outcomes, resource };
}

async function write(action: Write, resource: Resource, deps: Deps): Promise<Result<Resource | undefined, StoreError>> {
  const { store } = deps;
  if (action.kind === 'addFinalizer') return store.addFinalizer(resource);
  if (action.kind === 'claim') return store.writeStatus(resource, action.status);
  await forgetSecrets(resource, deps);
  const released = await store.releaseFinalizer(resource);
  return released.ok ? ok(undefined) : released;
}

async function cancel({ key }: Resource, { job }: Cancel, deps: Deps, reach: Reach): Promise<Result<void, SlurmError>> {
  const cancellation = await asItsUser(job, key.namespace, deps);
  return reach(() => deps.slurm.cancel(cancellation), 'cancel');
}

/** First the secrets: a job may start in the moment it is submitted. */
async function submit(
  { key }: Resource,
  action: Submit,
  deps: Deps,
  reach: Reach,
): Promise<Result<string, SubmitError>> {
  const { slurm, clock } = deps;
  const sender = await credentialsOf(action.as, key.namespace, deps);
  if (!sender.ok) return sender;
  const placed = await placeSecrets(key.namespace, action.secrets, deps);
  if (!placed.ok) return err({ kind: 'notPlaced', message: placed.error });
  return reach(
    () => slurm.submit({ name: action.name, script: action.script, ...sender.value }),
    'submit',
    () => (clock.now() > action.notAfterMs ? 'it waited too long for its turn' : undefined),
  );
}

type Reach = <T>(
  call: () => Promise<Result<T, SlurmError>>,
  urgency: Urgency,
  whyNot?: () => string | undefined,
) => Promise<Result<T, SlurmError>>;

function untilUnreachable(limit: SlurmLimit): Reach {
  let silent = false;
  return (call, urgency, whyNot) =>
    limit(async (giveUp) => {
      const why = silent ? 'SLURM did not answer the call before' : whyNot?.();
      if (why !== undefined) {
        giveUp();
        return err(notBegun(why));
      }
      const result = await call();
      if (!result.ok && result.error.kind === 'unreachable') silent = true;
      return result;
    }, urgency);
}

const notBegun = (why: string): SlurmError => ({ kind: 'unreachable', message: `${why}, so it was not begun` });
