import assert from 'node:assert/strict';
import type { Key } from '../../src/api/key.ts';
import type { Resource } from '../../src/api/resource.ts';
import type { SpecInput } from '../../src/api/spec.ts';
import type { Condition } from '../../src/api/status.ts';
import type { DeploymentEvent } from '../../src/controller/events.ts';
import { DEFAULT_POLICY } from '../../src/decide/policy.ts';
import { err, ok } from '../../src/result.ts';
import { createMemorySecretFiles, type MemorySecretFiles } from '../../src/secrets/memory.ts';
import type { FaultRule } from '../../src/slurm/simulated/faults.ts';
import { createRandom, type Random } from '../../src/slurm/simulated/random.ts';
import {
  createSimulatedSlurm,
  type SimulatedOptions,
  type SimulatedSlurm,
} from '../../src/slurm/simulated/simulated.ts';
import { createMemoryStore, type StoreCall, type StoreFault } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import { createManualClock } from '../gen/manual-clock.ts';
import { type Operator, type Settings, startOperator } from '../gen/operator.ts';
import { createSimulatedProber } from '../gen/simulated-prober.ts';
import type { SafetyPromise } from './promises/promise.ts';
import { SAFETY } from './safety.ts';
import type { OurJob, Truth } from './truth.ts';
import { type Breach, createWitness } from './witness.ts';

/** The real loop on a simulated cluster and a hand-driven clock. Names are those of deployments in `default`. */
export type Scenario = {
  readonly cluster: SimulatedSlurm;
  readonly truth: Truth;
  now(): number;

  /** Begins the operator, or another one in its place. */
  start(): void;
  kill(): void;
  operator(): Operator;

  /** Creates or edits; the whole spec as a person wrote it, good or bad. */
  apply(name: string, spec: unknown, annotations?: Readonly<Record<string, string>>): void;
  /** Applies the present spec with these fields instead. */
  edit(name: string, change: Partial<SpecInput>): void;
  remove(name: string): void;

  /** Sets a variable of the operator's environment that secrets may come from; undefined takes it away. */
  secret(variable: string, value: string | undefined): void;
  /** Where jobs find their secrets. */
  readonly secretFiles: MemorySecretFiles;

  slurmFault(rule: FaultRule): void;
  storeFault(call: StoreCall, fault: StoreFault, times?: number): void;
  crashController(losesMs?: number): void;
  cutNetwork(forMs: number): void;
  heal(): void;

  /** Lets time pass; throws at the first promise that is broken on the way. */
  advance(ms: number): Promise<void>;
  /** Lets time pass until it is so; fails after `withinMs`. */
  until(what: string, isSo: () => boolean, withinMs?: number): Promise<void>;

  resource(name: string): Resource | undefined;
  condition(name: string, type: string): Condition | undefined;
  isReady(name: string): boolean;
  events(name: string): readonly DeploymentEvent[];
  /** Live jobs, in the order of replica and attempt. */
  jobs(name: string): readonly OurJob[];
  /** Short names (`chat.r0.a1`) of what SLURM was asked to submit or to cancel so far, in order. */
  asked(call: 'submit' | 'cancel'): readonly string[];
  /** Successful writes to the store so far. */
  writes(): number;
  breach(): Breach | undefined;
  /** What happened, a line each. */
  history(): string;
};

export type ScenarioOptions = Settings & {
  readonly seed?: number;
  readonly cluster?: Partial<SimulatedOptions>;
  readonly promises?: readonly SafetyPromise[];
  /** Whether an endpoint that answers is the one that was asked for. */
  readonly believes?: Parameters<typeof createSimulatedProber>[2];
};

/** After a write or a read that failed a turn comes again so much later. */
const STORE_RETRY_MS = 60_000;

export const keyOf = (name: string): Key => ({ namespace: 'default', name });

export function createScenario(options: ScenarioOptions = {}): Scenario {
  const { seed = 1, promises = SAFETY, believes } = options;
  const clock = createManualClock();
  const startMs = clock.now();
  const random: Random = createRandom(seed ^ 0x5eed);
  const cluster = createSimulatedSlurm({ clock, seed, ...options.cluster });
  let ids = 0;
  const store = createMemoryStore({ clock, newId: () => `uid-${++ids}` });
  const lines: { readonly atMs: number; readonly line: () => string }[] = [];
  const note = (line: () => string) => void lines.push({ atMs: clock.now(), line });
  const witness = createWitness({
    clock,
    cluster,
    store,
    promises,
    doubtWindowMs: DEFAULT_POLICY.doubtWindowMs,
    note,
  });
  const specs = new Map<string, SpecInput>();
  const readFaults = new Map<StoreCall, number>();
  const variables = new Map<string, string>();
  const secretFiles = createMemorySecretFiles();
  let cutUntilMs = 0;
  let operator: Operator | undefined;

  function start(): void {
    operator?.kill();
    witness.operatorIs('up');
    note(() => 'the operator starts');
    operator = startOperator(
      {
        clock,
        random,
        slurm: witness.slurm,
        store: { ...witness.store, list: failing('list'), get: failing('get') },
        settings: options,
        events: witness.events,
        secretFiles,
        secrets: {
          async read(_namespace, { env = '' }) {
            const value = variables.get(env);
            return value === undefined ? err({ kind: 'missing', message: `there is no ${env}` }) : ok(value);
          },
        },
        prober: (its) =>
          createSimulatedProber(
            its,
            {
              answering: cluster.inspect.answering,
              cut: () => clock.now() < cutUntilMs,
              answered: witness.answered,
            },
            believes,
          ),
      },
      {
        onError: witness.threw,
        onKilled: (call) => {
          note(() => `the operator is killed ${call}`);
          witness.operatorIs('down');
        },
      },
    );
  }

  /** Reads fail here and not in the store itself: the witness reads there too. */
  function failing<C extends 'list' | 'get'>(call: C): Store[C] {
    const read = witness.store[call] as (key: Key) => Promise<unknown>;
    const faulty = async (key: Key) => {
      const left = readFaults.get(call) ?? 0;
      readFaults.set(call, Math.max(0, left - 1));
      return left > 0 ? err({ kind: 'unavailable', message: 'the store does not answer' }) : read(key);
    };
    return faulty as Store[C];
  }

  function breached(): void {
    const breach = witness.broken();
    if (breach) throw new PromiseBroken(breach, history());
  }

  async function advance(ms: number): Promise<void> {
    const untilMs = clock.now() + ms;
    await clock.advance(0); // what was just done may set timers of its own
    do {
      const nextMs = Math.min(
        untilMs,
        clock.nextTimerMs() ?? untilMs,
        cluster.inspect.nextChangeMs() ?? Number.POSITIVE_INFINITY,
      );
      await clock.advance(Math.max(0, nextMs - clock.now()));
      await witness.look();
      breached();
    } while (clock.now() < untilMs);
  }

  async function until(what: string, isSo: () => boolean, withinMs = 600_000): Promise<void> {
    const untilMs = clock.now() + withinMs;
    await advance(0);
    while (!isSo()) {
      if (clock.now() >= untilMs) assert.fail(`not within ${withinMs / 1000} s: ${what}\n${history()}`);
      await advance(1000);
    }
  }

  function apply(name: string, spec: unknown, annotations?: Readonly<Record<string, string>>): void {
    note(() => `apply ${name} ${JSON.stringify(spec)}${annotations ? JSON.stringify(annotations) : ''}`);
    specs.set(name, spec as SpecInput);
    witness.changed(keyOf(name));
    store.apply(keyOf(name), spec, annotations);
  }

  const resource = (name: string) => witness.truth.resources().find((one) => one.key.name === name);

  function history(): string {
    return lines.map(({ atMs, line }) => `${((atMs - startMs) / 1000).toFixed(1).padStart(8)}  ${line()}`).join('\n');
  }

  const condition = (name: string, type: string) => resource(name)?.status.conditions?.find((one) => one.type === type);

  return {
    cluster,
    truth: witness.truth,
    now: clock.now,
    start,
    kill() {
      operator?.kill();
    },
    operator() {
      assert.ok(operator, 'the operator was started');
      return operator;
    },
    apply,
    edit: (name, change) => apply(name, { ...specs.get(name), ...change }),
    remove(name) {
      note(() => `remove ${name}`);
      witness.changed(keyOf(name));
      store.remove(keyOf(name));
    },
    secretFiles,
    secret(variable, value) {
      note(() => `the secret ${variable} is ${value === undefined ? 'gone' : 'there'}`);
      if (value === undefined) variables.delete(variable);
      else variables.set(variable, value);
    },
    slurmFault(rule) {
      note(() => `fault ${JSON.stringify(rule)}`);
      cluster.control.setFault(rule);
      if (rule.answersAfterMs) witness.disturbed(Math.max(rule.untilMs ?? 0, clock.now()) + rule.answersAfterMs);
    },
    storeFault(call, fault, times = 1) {
      note(() => `store fault ${call} ${fault} × ${times}`);
      witness.disturbed(clock.now() + STORE_RETRY_MS * times);
      if (call === 'list' || call === 'get') readFaults.set(call, times);
      else store.failNext(call, fault, times);
    },
    crashController(losesMs) {
      note(() => `the controller crashes and loses ${losesMs ?? 5000} ms`);
      witness.duringCrash(() => cluster.control.crashController(losesMs));
    },
    cutNetwork(forMs) {
      note(() => `the network is cut for ${forMs} ms`);
      cutUntilMs = clock.now() + forMs;
      witness.disconnected(cutUntilMs);
    },
    heal() {
      note(() => 'healed');
      cluster.control.heal();
      store.heal();
      readFaults.clear();
      operator?.spare();
      cutUntilMs = 0;
    },
    advance,
    until,
    resource,
    condition,
    isReady: (name) => condition(name, 'Ready')?.status === 'True',
    events: (name) => witness.truth.events(resource(name)?.uid ?? ''),
    jobs: (name) =>
      witness.truth
        .live()
        .filter(({ identity }) => identity.name === name)
        .sort((a, b) => a.identity.replica - b.identity.replica || a.identity.attempt - b.identity.attempt),
    asked: (call) =>
      cluster.inspect
        .calls()
        .filter(({ name }) => name === call)
        .map(({ jobNames: [name = ''] }) => name.replace('vllm.default.', '')),
    writes: store.writes,
    breach: witness.broken,
    history,
  };
}

export class PromiseBroken extends Error {
  readonly breach: Breach;
  constructor(breach: Breach, history: string) {
    super(`${breach.promise}: ${breach.what}\n${history}`);
    this.breach = breach;
  }
}
