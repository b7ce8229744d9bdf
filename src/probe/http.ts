import { type Clock, withinMs } from '../clock.ts';
import { askEndpoint } from './ask-endpoint.ts';
import type { ProbeMemory, Prober, ProbeTarget } from './prober.ts';
import { createTurnstile } from './turnstile.ts';
import { agentOver, type Way } from './way.ts';

export type HttpProberOptions = {
  readonly clock: Clock;
  /** Probes under way at a time. */
  readonly concurrency?: number;
  /** 0 to 1, evenly: spreads probes that were started together. */
  readonly random?: () => number;
  /** Default: straight to the node. */
  readonly way?: Way;
};

/** A turn waits no longer for the first answer of a new endpoint; the answer itself wakes the next one. */
const FIRST_ANSWER_MS = 5_000;
/** Failures in a row after which a further one is no news. */
const LOUD_FAILURES = 20;
/** Periods differ by up to this part. */
const JITTER = 0.1;
/** An endpoint that never answered is about to: it is asked this often, though only one failure a period counts. */
const EAGER_PERIOD_MS = 3000;

type Watched = {
  target: ProbeTarget;
  memory: ProbeMemory;
  /** Settles with the first answer, good or bad. */
  readonly first: Promise<void>;
  /** Withdraws what is planned and gives up what is under way. */
  readonly stop: () => void;
};

export function createHttpProber({ clock, concurrency = 64, random = Math.random, way }: HttpProberOptions): Prober {
  // vLLM closes idle connections after 5 s; one that is reused must be younger.
  const agent = agentOver(way, { connections: 1, pipelining: 1, keepAliveTimeout: 1000, keepAliveMaxTimeout: 1000 });
  const turnstile = createTurnstile(concurrency);
  const followed = new Map<string, Map<string, Watched>>();
  const listeners: ((key: string) => void)[] = [];
  let closed = false;

  function watch(key: string, target: ProbeTarget): Watched {
    const giveUp = new AbortController();
    let withdraw = () => {};
    let settleFirst = () => {};
    let countedMs = Number.NEGATIVE_INFINITY;
    const watched: Watched = {
      target,
      memory: { lastOkMs: undefined, failures: 0, lastError: undefined },
      first: new Promise((resolve) => {
        settleFirst = resolve;
      }),
      stop() {
        withdraw();
        giveUp.abort();
        settleFirst();
      },
    };

    async function probe(): Promise<void> {
      const answer = await turnstile.pass(() => askEndpoint(watched.target, { agent, clock, signal: giveUp.signal }));
      // Who is not reached may serve others well.
      const isHeard = answer.ok || way === undefined || (await way.isOpen());
      if (giveUp.signal.aborted) return;
      const before = watched.memory;
      const { periodMs } = watched.target;
      const sinceMs = clock.now() - countedMs;
      const isDue = sinceMs >= periodMs * (1 - JITTER) || sinceMs < 0; // a clock may be set back
      const counts = isHeard && isDue;
      if (counts) countedMs = clock.now();
      watched.memory = answer.ok
        ? { lastOkMs: clock.now(), failures: 0, lastError: undefined }
        : { ...before, failures: before.failures + (counts ? 1 : 0), lastError: answer.error };
      settleFirst();
      const waitMs = watched.memory.lastOkMs === undefined ? Math.min(periodMs, EAGER_PERIOD_MS) : periodMs;
      withdraw = clock.after(waitMs * (1 + JITTER * (2 * random() - 1)), () => void probe());
      if (isNews(before, watched.memory)) for (const wake of listeners) wake(key);
    }
    void probe();
    return watched;
  }

  return {
    async follow(key, targets) {
      const before = followed.get(key) ?? new Map<string, Watched>();
      const now = new Map(
        closed
          ? []
          : targets.map((target) => {
              const known = before.get(target.id);
              if (known === undefined || !isSameEndpoint(known.target, target)) return [target.id, watch(key, target)];
              known.target = target;
              return [target.id, known];
            }),
      );
      for (const [id, watched] of before) if (now.get(id) !== watched) watched.stop();
      if (now.size > 0) followed.set(key, now);
      else followed.delete(key);

      const unanswered = [...now.values()].filter(
        ({ memory }) => memory.lastOkMs === undefined && memory.failures === 0,
      );
      if (unanswered.length > 0) {
        const patienceMs = Math.min(FIRST_ANSWER_MS, Math.max(...unanswered.map(({ target }) => target.timeoutMs)));
        await withinMs(clock, patienceMs, Promise.all(unanswered.map(({ first }) => first)));
      }
      return new Map([...now].map(([id, { memory }]) => [id, memory]));
    },
    onChange(wake) {
      listeners.push(wake);
    },
    async close() {
      closed = true;
      for (const targets of followed.values()) for (const watched of targets.values()) watched.stop();
      followed.clear();
      await agent.destroy();
    },
  };
}

/** The period and the time-out may change under way; another place, name or key is another endpoint. */
function isSameEndpoint(a: ProbeTarget, b: ProbeTarget): boolean {
  return a.url === b.url && a.ownModelName === b.ownModelName && a.apiKey === b.apiKey;
}

function isNews(before: ProbeMemory, now: ProbeMemory): boolean {
  const wasOk = before.lastOkMs !== undefined && before.failures === 0;
  if (now.failures === 0) return !wasOk;
  return now.failures !== before.failures && now.failures <= LOUD_FAILURES;
}
