import { type Key, keyText } from '../api/key.ts';
import { spokeLastWord } from '../decide/attempts.ts';
import type { OwnJob } from '../decide/observation.ts';
import { isOfUser } from '../decide/users.ts';
import { jobKey } from '../slurm/job.ts';
import { createSight } from './credentials.ts';
import type { Deps } from './deps.ts';
import { createDetails } from './details.ts';
import { createNetwork } from './network.ts';
import { createNodes } from './nodes.ts';
import type { Shared } from './observe.ts';
import { counted, createPace } from './pace.ts';
import { createQueue } from './queue.ts';
import { reconcile } from './reconcile.ts';
import type { Neighbour } from './seat.ts';
import { createSecretChecks } from './secret-checks.ts';
import { createSnapshot } from './snapshot.ts';
import { sweep } from './sweep.ts';
import { sweepSecrets } from './sweep-secrets.ts';

export type Controller = Pick<Neighbour, 'answers' | 'shows' | 'wake'> & {
  /** Begins: asks Slurm, lists the resources, then takes turns until `stop`. */
  start(): Promise<void>;
  /** Turns under way are finished, none is begun; jobs live on. */
  stop(): Promise<void>;
  /** Nothing waits and nothing runs at this moment. */
  idle(): boolean;
};

/** After an action Slurm is asked again soon, but not at once: the scheduler needs its moment. */
const SOON_MS = 1_000;
/** A slow Slurm is asked more rarely: at most a tenth of the time is spent asking. */
const SLOW_FACTOR = 10;
/** However slow it is, nobody waits longer than that to hear of a job that ended. */
const SLOWEST_TICK_MS = 60_000;

export function createController(given: Deps): Controller {
  const { limits, meter } = given;
  const pace = createPace({
    clock: given.clock,
    atOnce: limits.slurmCalls,
    perSecond: limits.slurmCallsPerSecond,
    burst: limits.slurmBurst,
    ...(meter && { onChange: meter.paced }),
  });
  const deps: Deps = { ...given, slurm: counted(given.slurm, pace) };
  const { store, slurm, prober, clock, log, policy, intervals } = deps;
  const snapshot = createSnapshot({
    slurm,
    clock,
    owner: store.id,
    suspectFraction: limits.suspectFraction,
    ...(deps.credentials && { userOf: deps.credentials.lastUser }),
  });
  const nodes = createNodes(slurm);
  const network = createNetwork(clock);
  const shared: Shared = {
    snapshot,
    nodes,
    details: createDetails(deps),
    secretCheck: createSecretChecks(deps),
    sight: createSight(deps),
    networkSuspect: network.isSuspect,
  };
  const followed: Deps = {
    ...deps,
    prober: {
      ...prober,
      async follow(key, targets) {
        const memories = await prober.follow(key, targets);
        const fleet = snapshot.lastKnown();
        const ready = new Set(
          fleet?.jobs.get(key)?.flatMap((job) => (job.report.phase === 'ready' ? jobKey(job) : [])),
        );
        // Before SLURM was first heard those on record are followed, which were published before this operator began.
        const served = [...memories].filter(([id, { lastOkMs }]) => lastOkMs !== undefined || !fleet || ready.has(id));
        network.heard(
          key,
          new Map(served),
          Math.max(0, ...targets.map((target) => target.periodMs * 2 + target.timeoutMs)),
        );
        return memories;
      },
    },
  };
  const queue = createQueue({
    clock,
    ...(meter && { meter }),
    atOnce: limits.turns,
    async turn(name) {
      const turn = await reconcile(keyOf(name), followed, shared, pace.run);
      if (turn.acted) tickSoon();
      return turn.requeueAfterMs;
    },
    onError: (name, error) =>
      log.error(
        { deployment: name, error: error instanceof Error ? error.stack : String(error) },
        'a turn failed; it is tried again',
      ),
  });

  let withdrawTick = () => {};
  let withdrawResync = () => {};
  let withdrawSweep = () => {};
  let withdrawRules = () => {};
  let ticking: Promise<void> | undefined;
  let soon = false;
  /** Everybody was to be woken, and the store did not say who that is: the next tick asks again. */
  let unheard = false;
  let nextTickMs = Number.POSITIVE_INFINITY;
  let stopped = false;
  let suspects: ReadonlySet<string> = new Set();

  /** One listing; everybody it concerns is woken. Never two at a time, and always one to come. */
  async function tick(): Promise<void> {
    nextTickMs = Number.POSITIVE_INFINITY;
    soon = false;
    let restMs = 0;
    await survived('a tick', async () => {
      restMs = await look();
    });
    const nextMs = soon ? Math.min(SOON_MS, policy.tickMs) : Math.max(policy.tickMs, restMs);
    scheduleTick(Math.max(nextMs, pace.restMs()));
  }

  /** @returns for how many ms Slurm is to be left alone */
  async function look(): Promise<number> {
    const wasKnown = snapshot.fleet().known;
    const { changed, turned, tookMs } = await snapshot.refresh();
    const fleet = snapshot.fleet();
    if (wasKnown && !fleet.known)
      log.warn(
        { error: fleet.why.message, cluster: slurm.cluster },
        'SLURM does not answer; every job is left as it is',
      );
    if (!wasKnown && fleet.known)
      log.info({ jobs: [...fleet.value.jobs.values()].flat().length, cluster: slurm.cluster }, 'SLURM answers');
    if (turned || unheard) await wakeAll();
    for (const key of changed) queue.wake(key);
    // Once for each last word: it is over in a moment, and its successor waits for that.
    if (fleet.known && changed.some((key) => fleet.value.jobs.get(key)?.some(isEnding))) soon = true;
    // What does not answer has no work with us; and who waits for it wants to hear soon that it is back.
    return fleet.known ? Math.min(tookMs * SLOW_FACTOR, SLOWEST_TICK_MS) : tookMs;
  }

  function scheduleTick(delayMs: number): void {
    const at = clock.now() + delayMs;
    if (stopped || at >= nextTickMs) return;
    withdrawTick();
    nextTickMs = at;
    withdrawTick = clock.after(delayMs, () => void takeTick());
  }

  function takeTick(): Promise<void> {
    ticking = tick().finally(() => {
      ticking = undefined;
    });
    return ticking;
  }

  function tickSoon(): void {
    soon = true;
    if (!ticking) scheduleTick(Math.max(Math.min(SOON_MS, policy.tickMs), pace.restMs()));
  }

  async function wakeAll(): Promise<void> {
    const resources = await store.list();
    if (!resources.ok) {
      log.warn({ error: resources.error.message }, 'the store does not answer; holding');
      unheard = true;
      return;
    }
    unheard = false;
    for (const resource of resources.value) if (deps.seat?.isHere(resource) ?? true) queue.wake(keyText(resource.key));
  }

  async function resync(): Promise<void> {
    await survived('a resync', async () => {
      await nodes.refresh();
      await wakeAll();
    });
    if (!stopped) withdrawResync = clock.after(intervals.resyncMs, () => void resync());
  }

  async function sweepOnce(): Promise<void> {
    const before = suspects;
    suspects = new Set();
    await survived('a sweep', async () => {
      const fleet = snapshot.fleet();
      if (!fleet.known || snapshot.suspect()) return;
      suspects = await sweep(fleet.value, before, deps, pace.run);
      await sweepSecrets(fleet.value, deps);
    });
    if (!stopped) withdrawSweep = clock.after(intervals.sweepMs, () => void sweepOnce());
  }

  /** What comes again at its time may fail once; a mistake in it ends neither the process nor the rounds to come. */
  async function survived(what: string, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      log.error(
        { error: error instanceof Error ? error.stack : String(error) },
        `${what} failed; it comes again at its time`,
      );
    }
  }

  return {
    async start() {
      prober.onChange((key) => queue.wake(key));
      await takeTick();
      store.watch((key) => queue.wake(keyText(key)));
      withdrawRules = deps.tenancy?.onChange(() => void survived('new rules', wakeAll)) ?? withdrawRules;
      await resync();
      if (!stopped) withdrawSweep = clock.after(intervals.sweepMs, () => void sweepOnce());
    },
    async stop() {
      stopped = true;
      withdrawTick();
      withdrawResync();
      withdrawSweep();
      withdrawRules();
      await Promise.all([queue.close(), ticking]);
    },
    idle: () => queue.idle() && !ticking,
    answers: () => snapshot.fleet().known,
    shows({ key, uid, status }) {
      const fleet = snapshot.lastKnown();
      const users = [...(status.users ?? []), deps.credentials?.lastUser(key.namespace) ?? ''];
      return (
        fleet?.jobs
          .get(keyText(key))
          ?.some((job) => job.identity.uid === uid && job.phase !== 'ended' && isOfUser(job, fleet.user, users)) ??
        false
      );
    },
    wake: ({ key }) => queue.wake(keyText(key)),
  };
}

function keyOf(name: string): Key {
  const [namespace = '', deployment = ''] = name.split('/');
  return { namespace, name: deployment };
}

function isEnding(job: OwnJob): boolean {
  return job.phase === 'running' && spokeLastWord(job);
}
