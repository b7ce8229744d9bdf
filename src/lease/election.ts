import type { Clock } from '../clock.ts';
import type { LeasePort, LeaseRecord } from './lease.ts';

export type ElectionOptions = {
  readonly lease: LeasePort;
  /** Steady: never set back, never slewed. Only spans on this machine are compared, never two machines' clocks. */
  readonly clock: Clock;
  /** Names this candidate; no other process ever has the same. */
  readonly identity: string;
  /** 0 to 1, evenly. */
  readonly random: () => number;
  readonly timing?: ElectionTiming;
  /** Leadership began or ended. */
  changed(leads: boolean): void;
  log(message: string): void;
};

export type ElectionTiming = {
  /** A holder that is silent for so long may be replaced. */
  readonly durationMs: number;
  /** A holder that could not renew for so long stops acting by itself: clearly before it may be replaced. */
  readonly renewMs: number;
  /** Between two tries. */
  readonly retryMs: number;
};

/** As the components of Kubernetes have it. */
export const ELECTION_TIMING: ElectionTiming = { durationMs: 15_000, renewMs: 10_000, retryMs: 2_000 };

export type Election = {
  /** Asked right before each effect. True only while the last renewal that succeeded was *begun* within `renewMs`. */
  leads(): boolean;
  /** Who holds the lease, as far as is known: for people. */
  holder(): string | undefined;
  /** Gives the lease back, so that a standby need not wait. Call it when nothing acts any more. */
  stop(): Promise<void>;
};

/**
 * One leader at a time. The lease is taken over when its record has not changed for as long as its holder promised to
 * renew it, counted here since it was first seen so; the holder, whose count began before its write was sent, has
 * stopped by then, even if it was stopped in the meantime and knows of nothing.
 */
export function startElection(options: ElectionOptions): Election {
  const { lease, clock, identity, random, changed, log } = options;
  const { durationMs, renewMs, retryMs } = options.timing ?? ELECTION_TIMING;
  let renewedMs = Number.NEGATIVE_INFINITY;
  let seen: { readonly record: LeaseRecord; readonly sinceMs: number } | undefined;
  let leading = false;
  let stopped = false;
  let withdrawTry = (): void => undefined;
  let withdrawEnd = (): void => undefined;
  let trying: Promise<void> | undefined;
  let lastWords = '';

  const leads = (): boolean => leading && clock.now() - renewedMs < renewMs;

  function tell(words: string): void {
    if (words !== lastWords) log(words);
    lastWords = words;
  }

  function lose(why: string): void {
    withdrawEnd();
    if (!leading) return;
    leading = false;
    tell(`leadership is lost: ${why}`);
    changed(false);
  }

  function won(record: LeaseRecord, askedMs: number): void {
    seen = { record, sinceMs: askedMs };
    renewedMs = askedMs;
    withdrawEnd();
    withdrawEnd = clock.after(Math.max(0, renewMs - (clock.now() - askedMs)), () =>
      lose(`the lease could not be renewed for ${renewMs / 1000} s`),
    );
    if (leading) return;
    leading = true;
    tell(`${identity} leads`);
    changed(true);
  }

  function look(record: LeaseRecord | undefined, nowMs: number): void {
    if (!record) seen = undefined;
    else if (seen?.record.version !== record.version) seen = { record, sinceMs: nowMs };
  }

  /** ms until the record seen may be taken over; 0: now. */
  function freeInMs(): number {
    if (!seen || seen.record.holder === '' || seen.record.holder === identity) return 0;
    return Math.max(0, seen.sinceMs + (seen.record.durationMs ?? durationMs) - clock.now());
  }

  async function attempt(): Promise<void> {
    // After a long stop of the whole process this comes before any effect does.
    if (leading && !leads()) lose(`the lease was not renewed for ${renewMs / 1000} s`);
    const askedMs = clock.now();
    const read = await lease.read();
    if (!read.ok) return tell(`the lease cannot be read: ${read.error.message}`);
    look(read.value, askedMs);
    if (freeInMs() > 0) {
      lose(`${seen?.record.holder} holds the lease`);
      return tell(`standing by: ${seen?.record.holder} holds the lease`);
    }
    if (stopped) return;
    const writingMs = clock.now();
    const written = await lease.write(read.value, { holder: identity, durationMs });
    if (written.ok) won(written.value, writingMs);
    else if (written.error.kind === 'unavailable') tell(`the lease cannot be written: ${written.error.message}`);
  }

  function schedule(): void {
    if (stopped) return;
    const spread = leading ? 1 : 0.75 + random() / 2;
    // A standby looks again just as the lease runs out, not up to a whole try later.
    const waitMs = leading || freeInMs() === 0 ? retryMs * spread : Math.min(retryMs * spread, freeInMs() + 1);
    withdrawTry = clock.after(waitMs, tryOnce);
  }

  function tryOnce(): void {
    trying = attempt()
      .catch((error: unknown) =>
        tell(`an election try failed: ${error instanceof Error ? error.message : String(error)}`),
      )
      .finally(() => {
        trying = undefined;
        schedule();
      });
  }

  tryOnce();
  return {
    leads,
    holder: () => seen?.record.holder || undefined,
    async stop() {
      stopped = true;
      withdrawTry();
      await trying;
      const mine = leads() ? seen?.record : undefined;
      withdrawEnd();
      leading = false;
      if (mine) await lease.write(mine, { holder: '', durationMs: 1_000 });
    },
  };
}
