import type { Key } from '../api/key.ts';
import type { Resource } from '../api/resource.ts';
import type { Status } from '../api/status.ts';
import type { Result } from '../result.ts';

export type PublishError =
  /** It may pass by itself: try again, after `retryMs` where that is known. `isNews`: it lasts, and nobody has been told. */
  | { readonly kind: 'unavailable'; readonly message: string; readonly retryMs?: number; readonly isNews?: boolean }
  /** Only a person can change it; looked at again from time to time. `isNews`: it is told for the first time. */
  | { readonly kind: 'blocked'; readonly message: string; readonly isNews: boolean };

/** Gives the endpoints of a deployment one name that stays. No call throws. */
export interface Publisher {
  /**
   * Makes what is published what the status says; writes nothing where it is so already.
   * @param mayWrite asked right before each write
   */
  publish(resource: Resource, status: Status, mayWrite?: () => boolean): Promise<Result<void, PublishError>>;
  /** The deployment is gone; what was published goes with it. */
  forget(key: Key): void;
}
