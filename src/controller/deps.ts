import type { Clock } from '../clock.ts';
import type { Policy } from '../decide/policy.ts';
import type { Site } from '../launch/site.ts';
import type { Tenancy } from '../launch/tenancy.ts';
import type { Prober } from '../probe/prober.ts';
import type { Publisher } from '../publish/publisher.ts';
import type { NamespaceCredentials, SecretFiles, SecretReader } from '../secrets/secrets.ts';
import type { Slurm } from '../slurm/slurm.ts';
import type { Store } from '../store/store.ts';
import type { EventSink } from './events.ts';
import type { QueueMeter } from './queue.ts';
import type { Seat } from './seat.ts';

/** What the controller stands on. `main.ts` and the scenarios choose the adapters. */
export type Deps = {
  readonly store: Store;
  readonly slurm: Slurm;
  readonly prober: Prober;
  readonly secrets: SecretReader;
  readonly secretFiles: SecretFiles;
  /** Absent where every job is the operator's own user's. */
  readonly credentials?: NamespaceCredentials;
  readonly events: EventSink;
  /** Absent where nothing is published beside the status. */
  readonly publisher?: Publisher;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears how busy the controller is; nothing is decided from it. */
  readonly meter?: QueueMeter;
  readonly policy: Policy;
  readonly site: Site;
  /** Absent where there is one cluster, and never was another. */
  readonly seat?: Seat;
  /** Absent where nobody has said who may ask for what. */
  readonly tenancy?: TenancyRules;
  /** Text of `config/launch/serve.sh`. */
  readonly body: string;
  /** The end of a job's log, at most a few KiB, redacted; undefined when it cannot be read. */
  tail(path: string): Promise<string | undefined>;
  /** A fresh random word of lower-case letters and digits, at most 16. */
  entropy(): string;
  readonly limits: {
    /** Turns at a time. */
    readonly turns: number;
    /** Calls that change something in Slurm at a time. */
    readonly slurmCalls: number;
    /** Calls of Slurm of every kind, over time. */
    readonly slurmCallsPerSecond: number;
    /** So many at once after a rest. */
    readonly slurmBurst: number;
    /** Share of live jobs that may vanish from one listing to the next before it is disbelieved, 0 to 1. */
    readonly suspectFraction: number;
  };
  readonly intervals: {
    /** Every resource is looked at this often although nothing happened, ms. */
    readonly resyncMs: number;
    /** Jobs without a resource are looked for this often, ms. */
    readonly sweepMs: number;
  };
};

/** Rules that may change while the controller works. */
export type TenancyRules = {
  current(): Tenancy;
  /** @returns withdraws the notice */
  onChange(notice: () => void): () => void;
};

export type Log = {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
};
