import type { Deps } from '../controller/deps.ts';
import { type parseFailpoint, withFailpoints } from '../controller/failpoints.ts';

type ChosenFailpoint = NonNullable<ReturnType<typeof parseFailpoint>>;

/** For tests of what survives a crash: this process ends at the point, as by kill -9. */
export function dyingAt(deps: Deps, { point, time }: ChosenFailpoint): Deps {
  let left = time;
  return withFailpoints(deps, (reached) => {
    if (reached === point && --left === 0) process.kill(process.pid, 'SIGKILL');
  });
}
