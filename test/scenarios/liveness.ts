import type { Resource } from '../../src/api/resource.ts';
import type { Scenario } from './scenario.ts';
import type { Breach } from './witness.ts';

/** What must come true once faults stop. @returns the first that is not, yet; undefined when all is well */
export function unfulfilled(scenario: Scenario): Breach | undefined {
  for (const promise of LIVENESS) {
    const what = promise.open(scenario);
    if (what !== undefined) return { promise: promise.name, what: `${what} (${promise.says})` };
  }
  return undefined;
}

/** What peace has not given back. */
export function leftover({ truth, operator }: Scenario): Breach | undefined {
  const resources = truth.resources().length;
  const endpoints = truth.live().length;
  // The tick, the resync and the sweep; a due turn for each deployment and a probe for each endpoint.
  const most = 3 + resources + endpoints;
  const timers = operator().timers();
  if (timers > most)
    return { promise: 'L7', what: `${timers} timers for ${resources} deployments, ${endpoints} endpoints` };
  return operator().idle() ? undefined : { promise: 'L7', what: 'a turn is still under way' };
}

export type LivenessPromise = {
  readonly name: string;
  readonly says: string;
  readonly open: (scenario: Scenario) => string | undefined;
};

const LIVENESS: readonly LivenessPromise[] = [
  {
    name: 'L3',
    says: 'the finalizer is always released',
    open: ({ truth }) => {
      const deleting = truth.resources().find((one) => one.deletingSinceMs !== undefined);
      return deleting && `${deleting.key.name} is still being deleted`;
    },
  },
  {
    name: 'L2',
    says: 'no job of a deleted resource remains',
    open: ({ truth }) => {
      const orphan = truth.live().find(({ identity }) => !truth.resource(identity.uid));
      return orphan && `job ${orphan.job.id} (${orphan.job.name}) has no resource`;
    },
  },
  {
    name: 'L4',
    says: 'every submission of unknown fate is resolved',
    open: ({ truth }) => {
      for (const { key, status } of truth.resources()) {
        const open = status.records?.find((record) => !record.retired && record.doubtUntil !== undefined);
        if (open) return `${key.name} replica ${open.replica} attempt ${open.attempt} is in doubt`;
      }
      return undefined;
    },
  },
  {
    name: 'L1',
    says: 'actual becomes desired',
    open(scenario) {
      for (const resource of scenario.truth.resources()) {
        const what = isMissing(scenario, resource);
        if (what !== undefined) return `${resource.key.name}: ${what}`;
      }
      return undefined;
    },
  },
];

function isMissing({ truth, condition }: Scenario, { uid, key, spec, problems }: Resource): string | undefined {
  if (problems.length > 0) return 'its spec is no good';
  const live = truth.live().filter(({ identity }) => identity.uid === uid);
  const want = !spec || spec.suspend ? 0 : spec.replicas;
  if (live.length !== want) return `${live.length} jobs live, ${want} are wanted`;
  const silent = live.find(({ job }) => truth.trace(job).servingSinceMs === undefined);
  if (silent) return `job ${silent.job.id} does not serve`;
  const ready = condition(key.name, 'Ready');
  if (!spec?.suspend && ready?.status !== 'True') return `not Ready: ${ready?.reason}, ${ready?.message}`;
  return undefined;
}
