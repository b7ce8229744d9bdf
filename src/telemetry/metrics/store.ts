import { Counter, type Registry } from 'prom-client';
import type { Result } from '../../result.ts';
import type { Store } from '../../store/store.ts';

/** @returns the same port, its writes counted, and the failures that they tell for the first time */
export function storeMetrics(registers: Registry[]): (store: Store) => Store {
  const writes = new Counter({
    name: 'vllm_slurm_store_writes_total',
    help: 'Writes to resources by kind and result; nothing changes, nothing is written.',
    labelNames: ['write', 'result'],
    registers,
  });
  const failures = new Counter({
    name: 'vllm_slurm_failures_total',
    help: 'Attempts that ended badly, by the reason of the failure table.',
    labelNames: ['reason'],
    registers,
  });
  return (counted) => {
    const count = async <T, E extends { readonly kind: string }>(write: string, answer: Promise<Result<T, E>>) => {
      const result = await answer;
      writes.inc({ write, result: result.ok ? 'ok' : result.error.kind });
      return result;
    };
    return {
      ...counted,
      async writeStatus(seen, status) {
        const written = await count('status', counted.writeStatus(seen, status));
        const { lastFailure } = status;
        const known = seen.status.lastFailure;
        const isNew = lastFailure && (lastFailure.time !== known?.time || lastFailure.replica !== known.replica);
        if (written.ok && isNew) failures.inc({ reason: lastFailure.reason });
        return written;
      },
      addFinalizer: (seen) => count('finalizer', counted.addFinalizer(seen)),
      releaseFinalizer: (seen) => count('release', counted.releaseFinalizer(seen)),
    };
  };
}
