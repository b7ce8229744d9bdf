import { type Key, keyText } from '../../api/key.ts';
import { type ApiError, isConflict, isNotFound } from '../../kubernetes/api.ts';
import type { StoreError } from '../store.ts';

export const unavailable = (message: string): StoreError => ({ kind: 'unavailable', message });
export const conflict = (key: Key, what: string): StoreError => ({
  kind: 'conflict',
  message: `${keyText(key)} ${what}`,
});
export const outOfScope = (key: Key): StoreError =>
  unavailable(`${keyText(key)} is in a namespace that this operator does not look after`);

/** What a failed call for this resource asks of the caller. */
export function storeError(error: ApiError, key: Key): StoreError {
  if (isNotFound(error)) return conflict(key, 'is gone');
  if (isConflict(error)) return conflict(key, 'changed since it was read, or is another resource now');
  const doubt = error.kind === 'unknown' ? '; a write may have been done, and is looked for' : '';
  return unavailable(`${keyText(key)}: ${error.message}${doubt}`);
}
