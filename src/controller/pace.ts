import type { Clock } from '../clock.ts';
import type { Slurm } from '../slurm/slurm.ts';

/** What waits for SLURM, the more urgent first: a job that must not run costs more than one that does not run yet. */
export const URGENCIES = ['cancel', 'submit'] as const;
export type Urgency = (typeof URGENCIES)[number];

/** How often and how broadly the controller of a cluster is asked: it is shared with everybody there. */
export type Pace = {
  /**
   * Begins the call once a place and a turn are free; rejects when it does.
   * @param call gives its turn to the next when it finds that there is nothing to ask any more
   */
  run<T>(call: (giveUp: () => void) => Promise<T>, urgency: Urgency): Promise<T>;
  /** Counts a call that does not wait: a look at the fleet is what everything else is decided from. */
  spend(): void;
  /** How long SLURM is to be left alone after all that was asked, ms. */
  restMs(): number;
};

export type PaceOptions = {
  readonly clock: Clock;
  /** Calls that change something, at a time. */
  readonly atOnce: number;
  /** Calls of every kind, over time. */
  readonly perSecond: number;
  /** So many at once after a rest. */
  readonly burst: number;
  /** Hears how often SLURM may be asked now, and how many calls wait. */
  readonly onChange?: (perSecond: number, waiting: number) => void;
};

/** SLURM tells nobody that it limits him: it lets his calls sleep for a second. Source: `rl_enable`, slurm.conf(5). */
const SLOW_MS = 900;
/** However slow it is, it is asked now and then. */
const LEAST_PER_SECOND = 1;
/** Quick answers in a row until half of what a slow one took is given back. */
const QUICK_ANSWERS = 10;

export function createPace({ clock, atOnce, perSecond, burst, onChange }: PaceOptions): Pace {
  const waiting: Readonly<Record<Urgency, (() => void)[]>> = { cancel: [], submit: [] };
  let free = atOnce;
  let allowed = perSecond;
  let tokens = burst;
  let countedMs = clock.now();
  let withdraw: (() => void) | undefined;
  onChange?.(allowed, 0);

  function refill(): void {
    const nowMs = clock.now();
    tokens = Math.min(burst, tokens + (Math.max(0, nowMs - countedMs) / 1000) * allowed);
    countedMs = nowMs;
  }

  const first = () => URGENCIES.map((urgency) => waiting[urgency]).find((line) => line.length > 0);

  function admit(): void {
    withdraw?.();
    withdraw = undefined;
    refill();
    for (let line = first(); line && free > 0; line = first()) {
      if (tokens < 1) {
        withdraw = clock.after(Math.ceil(((1 - tokens) / allowed) * 1000), admit);
        break;
      }
      tokens--;
      free--;
      line.shift()?.();
    }
    onChange?.(
      allowed,
      URGENCIES.reduce((sum, urgency) => sum + waiting[urgency].length, 0),
    );
  }

  function learn(tookMs: number): void {
    refill();
    if (tookMs < SLOW_MS) {
      allowed = Math.min(perSecond, allowed * 2 ** (1 / QUICK_ANSWERS));
      return;
    }
    allowed = Math.max(Math.min(LEAST_PER_SECOND, perSecond), allowed / 2);
    tokens = Math.min(tokens, allowed); // what was saved up was for a cluster at rest
  }

  return {
    async run(call, urgency) {
      await new Promise<void>((resolve) => {
        waiting[urgency].push(resolve);
        admit();
      });
      const beganMs = clock.now();
      let wasMade = true;
      try {
        return await call(() => {
          wasMade = false;
        });
      } finally {
        if (wasMade) learn(clock.now() - beganMs);
        else tokens++;
        free++;
        admit();
      }
    },
    spend() {
      refill();
      tokens--;
    },
    restMs() {
      refill();
      return tokens < 0 ? Math.ceil((-tokens / allowed) * 1000) : 0;
    },
  };
}

/** @returns the same port: what only asks is counted, and does not wait */
export function counted(slurm: Slurm, pace: Pick<Pace, 'spend'>): Slurm {
  const spent = <A extends readonly unknown[], R>(call: (...args: A) => R) => {
    return (...args: A): R => {
      pace.spend();
      return call(...args);
    };
  };
  return {
    ...slurm,
    listJobs: spent(slurm.listJobs),
    ...(slurm.listJobsAs && { listJobsAs: spent(slurm.listJobsAs) }),
    describe: spent(slurm.describe),
    history: spent(slurm.history),
    nodes: spent(slurm.nodes),
  };
}
