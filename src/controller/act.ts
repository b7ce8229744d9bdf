import type { Resource } from '../api/resource.ts';
import type { Action, Outcome } from '../decide/plan.ts';
import { assertNever, err, ok, type Result } from '../result.ts';
import type { StoreError } from '../store/store.ts';
import type { Deps } from './deps.ts';

export type Acted = {
  readonly outcomes: readonly Outcome[];
  /** The resource after the last write; undefined once it is released. */
  readonly resource: Resource | undefined;
};

/** Calls that change something in Slurm, at most so many at a time over the whole fleet. */
export type SlurmLimit = <T>(task: () => Promise<T>) => Promise<T>;

/** Carries out, decides nothing. What stands behind a write that failed is not done. */
export async function act(seen: Resource, actions: readonly Action[], deps: Deps, limit: SlurmLimit): Promise<Acted> {
  let resource: Resource | undefined = seen;
  const outcomes: Outcome[] = [];
  for (const action of actions.filter((one) => one.kind !== 'submit')) {
    if (!resource) break;
    switch (action.kind) {
      case 'addFinalizer':
      case 'releaseFinalizer':
      case 'claim': {
        const written: Result<Resource | undefined, StoreError> = await write(action, resource, deps);
        outcomes.push({ action, result: written.ok ? ok(undefined) : written });
        if (!written.ok) return { outcomes, resource };
        resource = written.value;
        break;
      }
      case 'cancel':
        outcomes.push({ action, result: await limit(() => deps.slurm.cancel(action.job)) });
        break;
      default:
        return assertNever(action);
    }
  }
  const submits = actions
    .filter((action) => action.kind === 'submit')
    .map((action) => limit(() => submit(action, deps)));
  return { outcomes: [...outcomes, ...(await Promise.all(submits))], resource };
}

type Write = Extract<Action, { kind: 'addFinalizer' | 'releaseFinalizer' | 'claim' }>;

async function write(
  action: Write,
  resource: Resource,
  { store }: Deps,
): Promise<Result<Resource | undefined, StoreError>> {
  if (action.kind === 'addFinalizer') return store.addFinalizer(resource);
  if (action.kind === 'claim') return store.writeStatus(resource, action.status);
  const released = await store.releaseFinalizer(resource);
  return released.ok ? ok(undefined) : released;
}

async function submit(action: Extract<Action, { kind: 'submit' }>, { slurm, clock }: Deps): Promise<Outcome> {
  if (clock.now() > action.notAfterMs) {
    return {
      action,
      result: err({ kind: 'unreachable', message: 'it waited too long for its turn and was not begun' }),
    };
  }
  return { action, result: await slurm.submit({ name: action.name, script: action.script }) };
}
