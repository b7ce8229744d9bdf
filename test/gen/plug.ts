/**
 * The plug of one operator process: all it does to the world goes through here, and once it is pulled nothing does
 * any more. A call already sent may have done its work; its answer reaches nobody.
 */
export type Plug = {
  through<T>(call: string, run: () => Promise<T>): Promise<T>;
  pull(): void;
  /** Pulls at the `point`-th call from now, 1 being the next: before it is sent, or after it took effect. */
  pullAt(point: number, when: Moment): void;
  /** Takes back what `pullAt` said. */
  spare(): void;
  /** Names of the calls that went through, in order. */
  calls(): readonly string[];
  pulled(): boolean;
};
export type Moment = 'before' | 'after';

/** @param onPulled called once, at the instant, with the place in words */
export function createPlug(onPulled: (where: string) => void): Plug {
  const calls: string[] = [];
  let pulled = false;
  let due: { readonly at: number; readonly when: Moment } | undefined;

  function pull(where: string): void {
    if (pulled) return;
    pulled = true;
    onPulled(where);
  }

  function fallsDue(when: Moment, point: number, call: string): void {
    if (due?.when === when && due.at === point) pull(`${when} ${call}`);
  }

  return {
    async through(call, run) {
      const point = calls.length + 1;
      fallsDue('before', point, call);
      if (pulled) return never();
      calls.push(call);
      const answer = await run();
      fallsDue('after', point, call);
      return pulled ? never() : answer;
    },
    pull: () => pull('between two calls'),
    pullAt(point, when) {
      due = { at: calls.length + point, when };
    },
    spare() {
      due = undefined;
    },
    calls: () => calls,
    pulled: () => pulled,
  };
}

function never<T>(): Promise<T> {
  return new Promise(() => {});
}
