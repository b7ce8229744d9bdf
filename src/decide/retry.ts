import type { Spec } from '../api/spec.ts';
import type { Verdict } from './failures.ts';
import type { Policy } from './policy.ts';

export type PastFailure = { readonly atMs: number; readonly spends: boolean };

/** At most as many as the status may hold; the newest are kept. */
const KEPT_FAILURES = 101;

/** @returns the failures within the window, oldest first, the new one last */
export function recordFailure(
  past: readonly PastFailure[],
  verdict: Pick<Verdict, 'spendsBudget'>,
  now: number,
  policy: Spec['restartPolicy'],
): readonly PastFailure[] {
  const since = now - policy.windowSeconds * 1000;
  return [...past.filter((failure) => failure.atMs > since), { atMs: now, spends: verdict.spendsBudget }].slice(
    -KEPT_FAILURES,
  );
}

export function budgetExhausted(failures: readonly PastFailure[], policy: Spec['restartPolicy']): boolean {
  return failures.filter((failure) => failure.spends).length > policy.maxRestarts;
}

/**
 * How long to wait before the next attempt. A failure to be retried `now` waits only when it is not the first of
 * its window: a fault that costs no budget would else be a tight loop.
 * @param failures those of the window, this one included
 * @param seed     makes the jitter: same seed, same wait. At most a quarter is added.
 * @returns ms, or undefined: not before the spec changes
 */
export function waitMs(
  verdict: Pick<Verdict, 'retry'>,
  failures: readonly PastFailure[],
  restart: Spec['restartPolicy'],
  policy: Pick<Policy, 'rejectedRetryMs'>,
  seed: string,
): number | undefined {
  const capMs = restart.backoff.maxSeconds * 1000;
  const grown = (exponent: number) =>
    Math.min(restart.backoff.initialSeconds * 1000 * 2 ** Math.min(exponent, 30), capMs);
  switch (verdict.retry) {
    case 'never':
      return undefined;
    case 'slowly':
      return withJitter(policy.rejectedRetryMs, seed);
    case 'now':
      return failures.length <= 1 ? 0 : withJitter(grown(failures.length - 2), seed);
    case 'backoff':
      return withJitter(grown(failures.length - 1), seed);
  }
}

function withJitter(ms: number, seed: string): number {
  return Math.round(ms * (1 + 0.25 * fraction(seed)));
}

/** FNV-1a of the text as a fraction of 1. */
function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0) / 2 ** 32;
}
