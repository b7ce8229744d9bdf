import type { Key } from '../../src/api/key.ts';
import type { Resource } from '../../src/api/resource.ts';
import type { Clock } from '../../src/clock.ts';
import type { DeploymentEvent, EventSink } from '../../src/controller/events.ts';
import { readDirectives } from '../../src/slurm/directives.ts';
import { type Identity, readIdentity, readReport } from '../../src/slurm/identity.ts';
import type { SimulatedSlurm } from '../../src/slurm/simulated/simulated.ts';
import { nodesOf, type SimJob } from '../../src/slurm/simulated/world.ts';
import type { Slurm } from '../../src/slurm/slurm.ts';
import type { MemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import type { SafetyPromise, Watch } from './promises/promise.ts';
import { hashOf, identityOf, type OurJob, type Traced, type Truth, tellsPort } from './truth.ts';

/** Stands between the operator and the world, sees every call as it takes effect, and holds it against the promises. */
export type Witness = {
  readonly slurm: Slurm;
  readonly store: Store;
  readonly events: EventSink;
  readonly truth: Truth;
  /** First promise broken, in words; stays. */
  broken(): Breach | undefined;
  /** Something may have happened by itself. */
  look(): Promise<void>;
  /** A person has changed the resource: what failed before no longer counts. */
  changed(key: Key): void;
  answered(job: SimJob): void;
  /** A turn threw: a bug, whatever it was about. */
  threw(fields: object): void;
  /** An operator begins, or has ended. */
  operatorIs(state: 'up' | 'down'): void;
  /** Something keeps the operator from noticing what goes on, from now until `untilMs`. */
  disturbed(untilMs: number): void;
  disconnected(untilMs: number): void;
  /** slurmctld came back with an older state: `crash` does it. */
  duringCrash(crash: () => void): void;
};
export type Breach = { readonly promise: string; readonly what: string };

export function createWitness(of: {
  readonly clock: Clock;
  readonly cluster: SimulatedSlurm;
  readonly store: MemoryStore;
  readonly promises: readonly SafetyPromise[];
  readonly doubtWindowMs: number;
  readonly note: (line: () => string) => void;
}): Witness {
  const { clock, cluster, store, promises, note } = of;
  const { inspect } = cluster;
  const traces = new Map<number, Traced>();
  const serials = new Map<string, number>();
  const acknowledged = new Set<string>();
  const calledMs = new Map<string, number>();
  const submittedMs = new Map<string, number>();
  const asked = new Map<string, number[]>();
  const told = new Map<string, DeploymentEvent[]>();
  const written = new Map<string, Resource>();
  const gone = new Map<string, boolean>();
  const spent = new Map<string, Map<number, number>>();
  /** By uid: epoch, ms, of the last edit, which forgives what was before. */
  const changedMs = new Map<string, number>();
  let resources: readonly Resource[] = [];
  let living: readonly OurJob[] = [];
  let listedMs = 0;
  let staleView = false;
  let quietFromMs = 0;
  let upFromMs = Number.POSITIVE_INFINITY;
  let connectedFromMs = 0;
  let breach: Breach | undefined;

  const truth: Truth = {
    inspect,
    doubtWindowMs: of.doubtWindowMs,
    now: clock.now,
    live: () => living,
    job(uid, id) {
      const serial = serials.get(`${uid}/${id}`);
      return serial === undefined ? undefined : traces.get(serial);
    },
    acknowledged: (uid, id) => acknowledged.has(`${uid}/${id}`),
    trace: (job) => traceOf(job, identityOf(job)),
    submittedMs: (name) => submittedMs.get(name),
    resources: () => resources,
    resource: (uid) => resources.find((one) => one.uid === uid),
    written: (uid) => written.get(uid),
    gone: () => gone,
    listedMs: () => listedMs,
    staleView: () => staleView,
    connectedSinceMs: () => connectedFromMs,
    undisturbedSinceMs: () => Math.max(quietFromMs, upFromMs),
    calls: (call, name = '') => asked.get(`${call} ${name}`) ?? [],
    events: (uid) => told.get(uid) ?? [],
    spent: (uid, replica) =>
      [...(spent.get(`${uid}/${replica}`)?.values() ?? [])].filter((atMs) => atMs > (changedMs.get(uid) ?? 0)),
  };

  function hold(look: (watch: Watch) => string | undefined): void {
    for (const promise of promises) {
      if (breach) return;
      const what = look(promise);
      if (what !== undefined) report({ promise: promise.name, what: `${what} (${promise.says})` });
    }
  }

  function remember(call: string, name: string): void {
    const key = `${call} ${name}`;
    const times = asked.get(key);
    if (times) times.push(clock.now());
    else asked.set(key, [clock.now()]);
  }

  function report(found: Breach): void {
    breach ??= found;
    note(() => `BROKEN ${found.promise}: ${found.what}`);
  }

  function traceOf(job: SimJob, identity: Identity | undefined): Traced {
    const known = traces.get(job.serial);
    if (known) return known;
    const called = identity && calledMs.get(identity.nonce);
    const trace: Traced = {
      serial: job.serial,
      beyondReach: called !== undefined && job.submitMs - called > of.doubtWindowMs,
      answeredMs: undefined,
      servingSinceMs: undefined,
      foundSinceMs: undefined,
      endedMs: undefined,
      wasEnding: false,
    };
    traces.set(job.serial, trace);
    if (identity) serials.set(`${identity.uid}/${job.id}`, job.serial);
    return trace;
  }

  /** No other process answers in its place. */
  function hasPort(job: SimJob): boolean {
    const [own] = nodesOf(job);
    const address = inspect.nodes().find(({ name }) => name === own)?.address;
    return address !== undefined && inspect.answering(address, job.behaviour.port) === job;
  }

  function see(): void {
    const live = inspect.live();
    const serving = new Set(inspect.serving());
    const before = living;
    living = live.flatMap((job) => {
      const identity = identityOf(job);
      return identity && identity.owner === store.id ? [{ job, identity }] : [];
    });
    for (const { job, identity } of living) {
      const trace = traceOf(job, identity);
      // Somebody requeued what was already ending.
      trace.endedMs = undefined;
      if (job.phase === 'completing') trace.wasEnding = true;
      else if (trace.wasEnding) trace.beyondReach = true;
      trace.servingSinceMs = serving.has(job) && hasPort(job) ? (trace.servingSinceMs ?? clock.now()) : undefined;
      const isFound = trace.servingSinceMs !== undefined && tellsPort(job);
      trace.foundSinceMs = isFound ? (trace.foundSinceMs ?? clock.now()) : undefined;
    }
    if (before.length === 0) return;
    const alive = new Set(living.map(({ job }) => job.serial));
    for (const { job } of before) {
      const trace = traces.get(job.serial);
      if (alive.has(job.serial) || !trace) continue;
      trace.servingSinceMs = undefined;
      trace.foundSinceMs = undefined;
      trace.endedMs = clock.now();
    }
  }

  async function readStore(): Promise<void> {
    const listed = await store.list();
    if (!listed.ok) throw new Error('the store itself never fails here');
    for (const known of resources) {
      if (listed.value.some((one) => one.uid === known.uid)) continue;
      gone.set(known.uid, Object.values(known.annotations).includes('true'));
    }
    resources = listed.value;
  }

  async function look(): Promise<void> {
    await readStore();
    see();
    hold((watch) => watch.step?.(truth));
  }

  function count(listing: Awaited<ReturnType<Slurm['listJobs']>>): void {
    if (!listing.ok) return;
    staleView = inspect.calls().at(-1)?.fault === 'stale';
    if (staleView) return;
    listedMs = listing.value.askedAtMs; // a slow answer tells of then, not of now
    for (const job of listing.value.jobs) {
      const identity = readIdentity(job);
      if (!identity || job.phase !== 'ended' || job.state !== 'FAILED') continue;
      const spec = resources.find((one) => one.uid === identity.uid)?.spec;
      const slot = `${identity.uid}/${identity.replica}`;
      if (!spec || hashOf(spec) !== identity.specHash || !isEngineFault(readReport(job.comment).code)) continue;
      const attempts = spent.get(slot) ?? new Map<number, number>();
      spent.set(slot, attempts.set(identity.attempt, attempts.get(identity.attempt) ?? clock.now()));
    }
  }

  const slurm: Slurm = {
    ...cluster.slurm,
    async listJobs() {
      hold((watch) => watch.list?.(truth));
      remember('listJobs', '');
      const listing = await cluster.slurm.listJobs();
      await readStore();
      count(listing);
      return listing;
    },
    async submit(submission) {
      await readStore();
      see();
      const read = readDirectives(submission.script);
      const comment = read.ok ? read.value.comment : '';
      const identity = readIdentity({ name: submission.name, comment });
      if (identity) hold((watch) => watch.submit?.(truth, identity, read.ok ? read.value.request.exclude : []));
      remember('submit', submission.name);
      if (identity) calledMs.set(identity.nonce, clock.now());
      const sentMs = clock.now();
      const result = await cluster.slurm.submit(submission);
      if (!result.ok && result.error.kind === 'unknown') submittedMs.set(submission.name, sentMs);
      if (identity && result.ok) acknowledged.add(`${identity.uid}/${result.value}`);
      note(() => `submit ${submission.name}: ${result.ok ? `job ${result.value}` : result.error.kind}`);
      return result;
    },
    async cancel(ref) {
      await readStore();
      see();
      const hit = inspect.live().find((job) => job.id === ref.id && job.name === ref.name);
      if (hit) hold((watch) => watch.cancel?.(truth, hit));
      const result = await cluster.slurm.cancel(ref);
      note(() => `cancel ${ref.id} ${ref.name}${hit ? '' : ' (gone)'}: ${result.ok ? 'ok' : result.error.kind}`);
      return result;
    },
  };

  function writing<A extends unknown[], R>(call: (seen: Resource, ...rest: A) => Promise<R>) {
    return async (seen: Resource, ...rest: A): Promise<R> => {
      await readStore();
      const before = truth.resource(seen.uid);
      const result = await call(seen, ...rest);
      await readStore();
      see();
      const after = truth.resource(seen.uid);
      if (before && after && before !== after) {
        written.set(after.uid, after);
        noteWrite(before, after);
        hold((watch) => watch.write?.(truth, before, after));
      }
      return result;
    };
  }

  function noteWrite(before: Resource, after: Resource): void {
    for (const condition of after.status.conditions ?? []) {
      const known = before.status.conditions?.find((one) => one.type === condition.type);
      if (condition.type !== 'Ready' || (known?.status === condition.status && known.reason === condition.reason))
        continue;
      note(() => `${after.key.name} Ready=${condition.status} ${condition.reason}: ${condition.message}`);
    }
  }

  return {
    slurm,
    store: {
      ...store,
      writeStatus: writing(store.writeStatus),
      addFinalizer: writing(store.addFinalizer),
      releaseFinalizer: writing(store.releaseFinalizer),
    },
    events: {
      async record(resource, events) {
        hold((watch) => watch.tell?.(truth, resource, events));
        told.set(resource.uid, [...(told.get(resource.uid) ?? []), ...events]);
      },
    },
    truth,
    broken: () => breach,
    look,
    changed(key) {
      for (const resource of resources) if (resource.key.name === key.name) changedMs.set(resource.uid, clock.now());
    },
    answered(job) {
      traceOf(job, identityOf(job)).answeredMs = clock.now();
    },
    threw: (fields) => report({ promise: 'no turn throws', what: JSON.stringify(fields) }),
    operatorIs(state) {
      upFromMs = state === 'up' ? clock.now() : Number.POSITIVE_INFINITY;
      if (state === 'up') asked.clear();
    },
    disturbed(untilMs) {
      quietFromMs = Math.max(quietFromMs, untilMs);
    },
    disconnected(untilMs) {
      connectedFromMs = Math.max(connectedFromMs, untilMs);
    },
    duringCrash(crash) {
      const over = new Set(
        inspect
          .jobs()
          .filter((job) => job.phase === 'ended')
          .map((job) => job.serial),
      );
      crash();
      for (const job of inspect.live()) if (over.has(job.serial)) traceOf(job, identityOf(job)).beyondReach = true;
    },
  };
}

/** The exit codes of `serve.sh` that say so. */
function isEngineFault(code: number | undefined): boolean {
  return code !== undefined && [65, 68, 69, 70].includes(code);
}
