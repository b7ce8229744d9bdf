import type { SecretSource } from '../api/spec.ts';
import type { SecretError } from '../secrets/secrets.ts';
import type { Deps } from './deps.ts';

/** @returns why the secret cannot be read; undefined: it can, or could a moment ago */
export type SecretCheck = (namespace: string, source: SecretSource) => Promise<SecretError | undefined>;

/** Turns come in bursts, and many deployments share a Secret: one look serves them all. */
const FRESH_MS = 5_000;
const MOST_KEPT = 1_000;

/** Whether secrets can be read, remembered for a moment. The values are let go of: only whoever places one needs it. */
export function createSecretChecks({ secrets, clock }: Pick<Deps, 'secrets' | 'clock'>): SecretCheck {
  const kept = new Map<string, { readonly atMs: number; readonly verdict: Promise<SecretError | undefined> }>();

  async function look(namespace: string, source: SecretSource): Promise<SecretError | undefined> {
    const read = await secrets.read(namespace, source);
    return read.ok ? undefined : read.error;
  }

  return (namespace, source) => {
    const name = JSON.stringify([namespace, source]);
    const now = clock.now();
    const known = kept.get(name);
    if (known && Math.abs(now - known.atMs) < FRESH_MS) return known.verdict;
    const verdict = look(namespace, source);
    kept.delete(name);
    kept.set(name, { atMs: now, verdict });
    const [oldest] = kept.keys();
    if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest);
    return verdict;
  };
}
