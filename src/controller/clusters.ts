import type { Deps } from './deps.ts';
import { type Controller, createController } from './run.ts';
import { type Neighbour, seatAmong } from './seat.ts';

/** All of them together. */
export type Controllers = Pick<Controller, 'start' | 'stop' | 'idle'>;

/**
 * One controller a cluster, so that none waits for another's SLURM. Each deployment is one controller's
 * (`docs/adr/0017-a-deployment-is-on-one-cluster.md`).
 * @param all the default first, each with a prober and a publisher of its own
 */
export function createControllers(all: readonly Deps[]): Controllers {
  const neighbours = new Map<string, Neighbour>();
  const controllers = all.map((deps) => {
    const name = deps.slurm.cluster;
    const controller = createController({ ...deps, seat: seatAmong(name, neighbours) });
    neighbours.set(name, { ...controller, tenancy: deps.tenancy, credentials: deps.credentials });
    return controller;
  });
  return {
    start: async () => void (await Promise.all(controllers.map((controller) => controller.start()))),
    stop: async () => void (await Promise.all(controllers.map((controller) => controller.stop()))),
    idle: () => controllers.every((controller) => controller.idle()),
  };
}
