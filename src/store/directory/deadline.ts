import type { Clock } from '../../clock.ts';
import { err, type Result } from '../../result.ts';
import type { StoreError } from '../store.ts';

/** Work that hangs is left to itself; the caller is told that nothing may be concluded. */
export async function withinDeadline<T>(
  clock: Clock,
  deadlineMs: number,
  work: Promise<Result<T, StoreError>>,
  message: string,
): Promise<Result<T, StoreError>> {
  let withdraw = (): void => undefined;
  const late = new Promise<Result<T, StoreError>>((resolve) => {
    withdraw = clock.after(deadlineMs, () => resolve(err({ kind: 'unavailable', message })));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    withdraw();
  }
}
