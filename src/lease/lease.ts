import type { Result } from '../result.ts';

/** Who may act, as everybody sees it. */
export type LeaseRecord = {
  /** Changes with every write: how a peer sees that the holder lives, whatever its clock says. */
  readonly version: string;
  /** Empty: nobody. */
  readonly holder: string;
  /** How long the holder may be silent before another may take over, ms; undefined when it does not say. */
  readonly durationMs: number | undefined;
};

export type LeaseError =
  /** Somebody wrote in between: look again. */
  | { readonly kind: 'conflict'; readonly message: string }
  /** It may or may not have been written. */
  | { readonly kind: 'unavailable'; readonly message: string };

/** One record that all candidates share. Each write names the version it was decided on. No call throws. */
export interface LeasePort {
  /** `undefined`: there is none yet. */
  read(): Promise<Result<LeaseRecord | undefined, LeaseError>>;
  /** @param seen the record it replaces; undefined: it is the first */
  write(
    seen: LeaseRecord | undefined,
    next: { readonly holder: string; readonly durationMs: number },
  ): Promise<Result<LeaseRecord, LeaseError>>;
}
