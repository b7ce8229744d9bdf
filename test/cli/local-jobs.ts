import path from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { createLocalCluster } from '../../src/slurm/local/local.ts';
import type { Workspace } from './workspace.ts';

/** Ends what a failed test leaves running below `cluster/`: jobs outlive their operator. */
export function jobsOf(here: Workspace): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      await here.killAll();
      const directory = path.join(here.home, 'cluster');
      const cluster = await createLocalCluster({ directory, clock: systemClock, gpus: 0, cpus: 1 });
      if (!cluster.ok) return;
      await cluster.value.cancelAll();
      await cluster.value.close();
    },
  };
}
