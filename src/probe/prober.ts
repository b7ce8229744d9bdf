/** Where a job says its endpoint is, after the claim was checked against its allocation and range. */
export type ProbeTarget = {
  /** Names the probe: a job's id and submit time. */
  readonly id: string;
  readonly url: string;
  /** Listed by `/v1/models` of this very job and no other: `vllm-slurm--job-<id>`. */
  readonly ownModelName: string;
  /** Shown to whoever answers there. The key this very job was started with. */
  readonly apiKey?: string;
  readonly periodMs: number;
  readonly timeoutMs: number;
};

/** What is known of an endpoint. Ages; never stands still at a comfortable answer. */
export type ProbeMemory = {
  /** Epoch, ms: the last time it answered as this job; undefined: never. */
  readonly lastOkMs: number | undefined;
  /** Failures in a row since, 0 when the last probe was good. */
  readonly failures: number;
  /** In words, of the last failure. */
  readonly lastError: string | undefined;
};

/**
 * Keeps probing what it is told to and wakes the deployment when the answer changes.
 * Adapters: `probe/http.ts`; scenarios bring their own.
 */
export interface Prober {
  /** Replaces the targets of one deployment; waits for the first answer of new ones, at most their time-out. */
  follow(key: string, targets: readonly ProbeTarget[]): Promise<ReadonlyMap<string, ProbeMemory>>;
  onChange(wake: (key: string) => void): void;
  close(): Promise<void>;
}
