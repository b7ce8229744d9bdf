import type { SlurmLimit } from '../../src/controller/act.ts';
import { createSight } from '../../src/controller/credentials.ts';
import type { Deps } from '../../src/controller/deps.ts';
import { createDetails } from '../../src/controller/details.ts';
import type { DeploymentEvent } from '../../src/controller/events.ts';
import { createNodes } from '../../src/controller/nodes.ts';
import type { Shared } from '../../src/controller/observe.ts';
import { createSecretChecks } from '../../src/controller/secret-checks.ts';
import { createSnapshot } from '../../src/controller/snapshot.ts';
import { DEFAULT_POLICY } from '../../src/decide/policy.ts';
import { createTurnstile } from '../../src/probe/turnstile.ts';
import { ok } from '../../src/result.ts';
import { createMemorySecretFiles, type MemorySecretFiles } from '../../src/secrets/memory.ts';
import type { Slurm } from '../../src/slurm/slurm.ts';
import { createMemoryStore, type MemoryStore } from '../../src/store/memory.ts';
import { createManualClock, type ManualClock } from '../gen/manual-clock.ts';
import { NOW, OWNER, observation } from '../gen/observation.ts';

/** A cluster that says yes and knows nothing, but for what the test says otherwise; it remembers what it was asked. */
export function fakeSlurm(about: Partial<Slurm> = {}): Slurm & { readonly calls: readonly string[] } {
  const calls: string[] = [];
  const slurm: Slurm = {
    cluster: 'test',
    listJobs: async () => ok({ jobs: [], askedAtMs: NOW }),
    describe: async () => ok([]),
    history: async () => ok([]),
    submit: async () => ok('101'),
    cancel: async () => ok(undefined),
    nodes: async () => ok([{ name: 'node001', address: '10.0.0.1', state: 'idle' }]),
    inventory: async () => ok({ nodes: [] }),
    close: async () => {},
    ...about,
  };
  const noted = <T>(call: string, answer: () => T): T => {
    calls.push(call);
    return answer();
  };
  return {
    ...slurm,
    calls,
    listJobs: () => noted('listJobs', () => slurm.listJobs()),
    describe: (refs) => noted(`describe ${refs.map(({ id }) => id)}`, () => slurm.describe(refs)),
    history: (names, sinceMs) =>
      noted(`history ${names} since ${(sinceMs - NOW) / 1000} s`, () => slurm.history(names, sinceMs)),
    submit: (submission) => noted(`submit ${submission.name}`, () => slurm.submit(submission)),
    cancel: (ref) => noted(`cancel ${ref.id}`, () => slurm.cancel(ref)),
    nodes: () => noted('nodes', () => slurm.nodes()),
  };
}

export type Ground = Deps & {
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  readonly secretFiles: MemorySecretFiles;
  readonly told: readonly DeploymentEvent[];
  readonly logged: readonly string[];
};

export function ground(about: Partial<Omit<Deps, 'clock' | 'store' | 'secretFiles'>> = {}): Ground {
  const clock = createManualClock(NOW);
  const told: DeploymentEvent[] = [];
  const logged: string[] = [];
  const log = (_fields: object, message: string): void => void logged.push(message);
  let uids = 0;
  let words = 0;
  const { site, body } = observation();
  return {
    clock,
    told,
    logged,
    store: createMemoryStore({ clock, id: OWNER, newId: () => `uid-${++uids}` }),
    slurm: fakeSlurm(),
    secrets: { read: async () => ok('canary-secret-value') },
    secretFiles: createMemorySecretFiles(),
    prober: { follow: async () => new Map(), onChange: () => {}, close: async () => {} },
    events: { record: async (_resource, events) => void told.push(...events) },
    log: { debug: () => {}, info: log, warn: log, error: log },
    policy: DEFAULT_POLICY,
    site,
    body,
    tail: async () => undefined,
    entropy: () => `word${++words}`,
    limits: { turns: 4, slurmCalls: 4, slurmCallsPerSecond: 50, slurmBurst: 1000, suspectFraction: 1 / 3 },
    intervals: { resyncMs: 300_000, sweepMs: 60_000 },
    ...about,
  };
}

/** What turns share, nothing of it read yet. */
export function sharedBy(deps: Deps): Shared {
  const { slurm, clock, store, limits } = deps;
  return {
    snapshot: createSnapshot({ slurm, clock, owner: store.id, suspectFraction: limits.suspectFraction }),
    nodes: createNodes(slurm),
    details: createDetails(deps),
    secretCheck: createSecretChecks(deps),
    sight: createSight(deps),
    networkSuspect: () => false,
  };
}

/** So many calls at a time, as often as anybody wants. */
export function unpaced(atOnce: number): SlurmLimit {
  const { pass } = createTurnstile(atOnce);
  return (call) => pass(() => call(() => {}));
}

/** A promise to be settled by the test, when it is time. */
export function gate<T = void>(): PromiseWithResolvers<T> {
  return Promise.withResolvers<T>();
}

/** However long a chain of promises is, it has run to where it waits for the test. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
