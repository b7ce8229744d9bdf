import { type Clock, withinMs } from '../../clock.ts';
import { err, type Result } from '../../result.ts';
import type { StoreError } from '../store.ts';

/** Work that hangs is left to itself; the caller is told that nothing may be concluded. */
export async function withinDeadline<T>(
  clock: Clock,
  deadlineMs: number,
  work: Promise<Result<T, StoreError>>,
  message: string,
): Promise<Result<T, StoreError>> {
  return (await withinMs(clock, deadlineMs, work)) ?? err({ kind: 'unavailable', message });
}
