import type { Key } from '../api/key.ts';
import type { Controller } from '../controller/run.ts';
import type { Store } from '../store/store.ts';

export type Terms = {
  /** Begins a term or ends it, each when the one before is done. */
  turn(leads: boolean): void;
  end(): Promise<void>;
};

/** A controller for each term of leadership, on one store that stays warm between them. */
export function createTerms(
  store: Store,
  onError: (error: string) => void,
  begin: (store: Store) => Promise<Pick<Controller, 'stop'>>,
): Terms {
  let wake: ((key: Key) => void) | undefined;
  store.watch((key) => wake?.(key));
  const termStore: Store = {
    ...store,
    watch: (waker) => {
      wake = waker;
    },
  };
  let term: Pick<Controller, 'stop'> | undefined;
  let turning = Promise.resolve();

  async function take(leads: boolean): Promise<void> {
    wake = undefined;
    await term?.stop();
    term = leads ? await begin(termStore) : undefined;
  }

  function turn(leads: boolean): void {
    turning = turning
      .then(() => take(leads))
      .catch((error: unknown) => onError(error instanceof Error ? (error.stack ?? error.message) : String(error)));
  }

  return {
    turn,
    async end() {
      turn(false);
      await turning;
    },
  };
}
