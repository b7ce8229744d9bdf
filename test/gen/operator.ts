import type { Clock } from '../../src/clock.ts';
import { createControllers } from '../../src/controller/clusters.ts';
import type { Deps } from '../../src/controller/deps.ts';
import type { EventSink } from '../../src/controller/events.ts';
import { DEFAULT_POLICY } from '../../src/decide/policy.ts';
import type { Prober } from '../../src/probe/prober.ts';
import type { SecretFiles, SecretReader } from '../../src/secrets/secrets.ts';
import type { Random } from '../../src/slurm/simulated/random.ts';
import type { Slurm } from '../../src/slurm/slurm.ts';
import type { Store } from '../../src/store/store.ts';
import { createPlug, type Moment } from './plug.ts';

/** What one operator process stands on. */
export type Ground = {
  readonly clock: Clock;
  readonly slurm: Slurm;
  /** Further clusters, besides `slurm`, the default. */
  readonly others?: readonly Slurm[];
  readonly store: Store;
  readonly events: EventSink;
  readonly prober: (clock: Clock, slurm: Slurm) => Prober;
  readonly secrets: SecretReader;
  readonly secretFiles: SecretFiles;
  readonly random: Random;
  readonly settings: Settings;
};
/** What a scenario may set otherwise than the operator's defaults. */
export type Settings = Partial<Pick<Deps, 'policy' | 'tail' | 'limits' | 'intervals'>> & {
  /** Between the controller and its ports: how planted bugs get in. */
  readonly tamper?: (deps: Deps) => Deps;
};

export type Operator = {
  /** As `kill -9`: from this instant it has no effect and hears nothing. */
  kill(): void;
  /** Kills it at its `point`-th call from now. */
  killAt(point: number, when: Moment): void;
  /** Takes back what `killAt` said. */
  spare(): void;
  alive(): boolean;
  idle(): boolean;
  /** As SIGTERM. */
  stop(): Promise<void>;
  /** Names of its calls to SLURM, store and event sink. */
  calls(): readonly string[];
  /** Timers it has set and not withdrawn. */
  timers(): number;
};

export const SITE: Deps['site'] = {
  logDirectory: '/var/log/vllm-slurm',
  secretDirectory: '/var/lib/vllm-slurm/secrets',
  portRange: { low: 20_000, high: 30_000 },
  defaults: { partitions: [] },
  standInCommand: ['node', 'stand-in.js'],
};
const BODY = 'exec "$@"';
const SILENT: Deps['log'] = { debug() {}, info() {}, warn() {}, error() {} };

export type Hears = {
  /** An error the controller logged: a turn threw. */
  readonly onError: (fields: object) => void;
  /** Where it was killed, in words. */
  readonly onKilled: (where: string) => void;
};

/** The real controller as a process that can be killed at any of its calls. */
export function startOperator(ground: Ground, hears: Hears): Operator {
  const { settings } = ground;
  const timers = new Set<() => void>();
  const plug = createPlug((where) => {
    hears.onKilled(where);
    for (const withdraw of timers) withdraw();
    timers.clear();
  });
  const clock: Clock = {
    now: ground.clock.now,
    after(delayMs, run) {
      if (plug.pulled()) return () => {};
      const withdraw = ground.clock.after(delayMs, () => {
        timers.delete(withdraw);
        run();
      });
      timers.add(withdraw);
      return () => {
        timers.delete(withdraw);
        withdraw();
      };
    },
  };
  const depsOn = (slurm: Slurm): Deps => ({
    clock,
    slurm: throughPlug(slurm, [
      ...(['listJobs', 'describe', 'history', 'submit', 'cancel', 'nodes'] as const),
      ...(slurm.listJobsAs ? (['listJobsAs'] as const) : []),
    ]),
    store: throughPlug(ground.store, ['list', 'get', 'writeStatus', 'addFinalizer', 'releaseFinalizer']),
    events: throughPlug(ground.events, ['record']),
    prober: ground.prober(clock, slurm),
    secrets: throughPlug(ground.secrets, ['read']),
    secretFiles: throughPlug(ground.secretFiles, ['write', 'read', 'names', 'remove']),
    log: { ...SILENT, error: hears.onError },
    policy: settings.policy ?? DEFAULT_POLICY,
    site: SITE,
    body: BODY,
    tail: settings.tail ?? (async () => undefined),
    entropy: () => Math.floor(ground.random() * 36 ** 8).toString(36),
    limits: settings.limits ?? {
      turns: 8,
      slurmCalls: 4,
      slurmCallsPerSecond: 50,
      slurmBurst: 1000,
      suspectFraction: 0.34,
    },
    intervals: settings.intervals ?? { resyncMs: 300_000, sweepMs: 60_000 },
  });
  const all = [ground.slurm, ...(ground.others ?? [])].map(depsOn);
  const controller = createControllers(all.map((deps) => settings.tamper?.(deps) ?? deps));
  void controller.start();

  function throughPlug<T extends object>(port: T, calls: readonly (keyof T & string)[]): T {
    const wrapped = calls.map((name) => {
      const call = port[name] as (...args: unknown[]) => Promise<unknown>;
      return [name, (...args: unknown[]) => plug.through(name, () => call(...args))] as const;
    });
    return { ...port, ...Object.fromEntries(wrapped) };
  }

  return {
    kill: plug.pull,
    killAt: plug.pullAt,
    spare: plug.spare,
    alive: () => !plug.pulled(),
    idle: controller.idle,
    stop: controller.stop,
    calls: plug.calls,
    timers: () => timers.size,
  };
}
