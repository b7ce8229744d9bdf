import type { Status } from '../api/status.ts';
import type { SecretToPlace } from '../launch/secrets.ts';
import type { Result } from '../result.ts';
import type { JobRef } from '../slurm/job.ts';
import type { SlurmError } from '../slurm/slurm.ts';
import type { StoreError } from '../store/store.ts';
import type { Draft } from './step.ts';

/** What a turn does, in order. `act` carries it out and decides nothing. */
export type Action =
  | { readonly kind: 'addFinalizer' }
  | { readonly kind: 'releaseFinalizer' }
  /**
   * Written before anything irreversible: which attempts are about to be submitted, in doubt until known, and
   * which are given up. When it cannot be written, the actions behind it are not done.
   */
  | { readonly kind: 'claim'; readonly status: Status }
  | {
      readonly kind: 'submit';
      readonly replica: number;
      readonly attempt: number;
      readonly name: string;
      readonly script: string;
      /** Placed before the job is submitted, or it is not: the script names their files. */
      readonly secrets: readonly SecretToPlace[];
      /** The user whose job it is to be, and nobody else's; absent: the operator's own. */
      readonly as?: string;
      /** Epoch, ms: not begun later than this, for the claim names when it can land. */
      readonly notAfterMs: number;
    }
  | { readonly kind: 'cancel'; readonly job: JobRef; readonly why: string };

export type Plan = {
  readonly actions: readonly Action[];
  /** What the actions imply if each succeeds as far as is known beforehand; `settle` adds the outcomes. */
  readonly status: Status;
  /** What the status was made from; `settle` corrects it where a submission went otherwise. */
  readonly draft: Draft | undefined;
  /** ms from now; undefined: nothing to wait for but events. */
  readonly requeueAfterMs: number | undefined;
};

/** `notPlaced`: the job's secrets could not be put where it reads them, so Slurm was not asked. */
export type SubmitError = SlurmError | { readonly kind: 'notPlaced'; readonly message: string };

export type Outcome =
  | { readonly action: Extract<Action, { kind: 'submit' }>; readonly result: Result<string, SubmitError> }
  | { readonly action: Extract<Action, { kind: 'cancel' }>; readonly result: Result<void, SlurmError> }
  | {
      readonly action: Extract<Action, { kind: 'addFinalizer' | 'releaseFinalizer' | 'claim' }>;
      readonly result: Result<void, StoreError>;
    };
