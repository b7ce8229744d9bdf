import { setTimeout as delay } from 'node:timers/promises';
import { hasGo } from '../../test/live/kube-bed/programs.ts';
import { deploymentNames } from '../fleet.ts';
import { readProcess } from '../process.ts';
import { until } from '../until.ts';
import { createDeployments, toldJobs } from './deployments.ts';
import { type KubeGround, onKubeGround, withKubeOperator } from './ground.ts';
import { measureNoop, type Noop } from './noop.ts';
import { measureRestart, type Restart } from './restart.ts';
import { totalOf, type Writes, writesOfOperator, writesSince } from './writes.ts';

/** What a fleet costs that is queued, and has nothing to do, at one size. */
export type FleetCost = {
  readonly deployments: number;
  readonly idle: { readonly seconds: number; readonly writes: Writes; readonly cpu: number };
  readonly restart: Restart;
  /** undefined: there is no Go here to build it with. */
  readonly noop: Noop | undefined;
};

const WITHIN_MS = 600_000;
/** Nothing was written for two ticks and more: whatever the last listing brought is done. */
const QUIET_MS = 25_000;
const SETTLE_MS = 20_000;

/** @param sizes numbers of deployments, growing */
export function measureFleet(sizes: readonly number[], idleSeconds: number): Promise<readonly FleetCost[]> {
  return onKubeGround('occupied', async (ground) => {
    const costs: FleetCost[] = [];
    for (const [at, size] of sizes.entries()) {
      const names = deploymentNames(sizes[at - 1] ?? 0, size);
      const idle = await withKubeOperator(ground, async (operator) => {
        await operator.leads();
        await Promise.all([toldJobs(ground.api, names, WITHIN_MS), createDeployments(ground.api, names)]);
        await untilQuiet(ground);
        return watchIdle(ground, operator.pid, idleSeconds);
      });
      const restart = await measureRestart(ground, size, SETTLE_MS);
      costs.push({
        deployments: size,
        idle,
        restart,
        noop: hasGo() ? await measureNoop(ground, size, SETTLE_MS) : undefined,
      });
    }
    return costs;
  });
}

async function watchIdle(ground: KubeGround, pid: number, seconds: number): Promise<FleetCost['idle']> {
  const writes = await writesOfOperator(ground);
  const before = await readProcess(pid);
  await delay(seconds * 1000);
  const { cpu } = await readProcess(pid);
  return {
    seconds,
    writes: writesSince(writes, await writesOfOperator(ground)),
    cpu: (cpu - before.cpu) / seconds,
  };
}

async function untilQuiet(ground: KubeGround): Promise<void> {
  await until('nothing more is written', WITHIN_MS, async () => {
    const before = totalOf(await writesOfOperator(ground));
    await delay(QUIET_MS);
    return totalOf(await writesOfOperator(ground)) === before || undefined;
  });
}
