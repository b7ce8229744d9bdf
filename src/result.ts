/** What may fail answers with a value: errors are results at the boundary, exceptions are bugs. */
export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

export const ok = <T>(value: T): Result<T, never> => ({ ok: true, value });
export const err = <E>(error: E): Result<never, E> => ({ ok: false, error });

/** A fact that may be missing because nobody could be asked. Unknown is not absent. */
export type Known<T, E> =
  | { readonly known: true; readonly value: T }
  | { readonly known: false; readonly why: E; readonly sinceMs: number };

export function assertNever(x: never): never {
  throw new Error(`unreachable: ${JSON.stringify(x)}`);
}
