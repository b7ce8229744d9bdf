import { setTimeout as delay } from 'node:timers/promises';
import { jobIds } from '../cluster.ts';
import { readProcess } from '../process.ts';
import { until } from '../until.ts';
import { type KubeGround, withKubeOperator } from './ground.ts';
import { type Writes, writesOfOperator, writesSince } from './writes.ts';

export type Restart = {
  readonly deployments: number;
  /** Seconds from its start until it has read all deployments and heard from SLURM. */
  readonly read: number;
  /** Seconds from its start until each had a turn. */
  readonly turned: number;
  readonly writes: Writes;
  /** Of jobs that came, went or changed their id meanwhile. */
  readonly jobsTouched: readonly string[];
  /** MiB, once it has settled. */
  readonly memory: number;
};

const WITHIN_MS = 300_000;
const LOOK_MS = 250;

/** An operator begins, on a fleet that another has left with nothing to do. */
export async function measureRestart(ground: KubeGround, deployments: number, settleMs: number): Promise<Restart> {
  const jobs = await jobIds(ground.bed);
  const writes = await writesOfOperator(ground);
  const startMs = performance.now();
  const since = (): number => (performance.now() - startMs) / 1000;
  return withKubeOperator(ground, async (operator) => {
    await operator.leads();
    const read = since();
    const allTurned = async () => (await turnsIn(operator)) >= deployments || undefined;
    await until('every deployment had a turn', WITHIN_MS, allTurned, LOOK_MS);
    const turned = since();
    await delay(settleMs);
    const { memory } = await readProcess(operator.pid);
    const after = await jobIds(ground.bed);
    return {
      deployments,
      read,
      turned,
      writes: writesSince(writes, await writesOfOperator(ground)),
      jobsTouched: [...new Set([...jobs.keys(), ...after.keys()])].filter((name) => jobs.get(name) !== after.get(name)),
      memory,
    };
  });
}

/** Turns that came to their end, whatever it was. */
async function turnsIn(operator: { page(path: '/metrics'): Promise<{ readonly text: string }> }): Promise<number> {
  const { text } = await operator.page('/metrics');
  const counts = text.matchAll(/^controller_runtime_reconcile_total\{.*\} (\d+)$/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}
