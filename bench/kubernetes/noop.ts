import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildInCache } from '../../test/live/kube-bed/programs.ts';
import { readProcess } from '../process.ts';
import { type KubeGround, operatorKubeconfig } from './ground.ts';

const SOURCE = fileURLToPath(new URL('../noop-controller', import.meta.url));
const WITHIN_MS = 120_000;

export type Noop = {
  /** From its start until each deployment had a turn, in which nothing is done. */
  readonly seconds: number;
  /** MiB, once it has settled. */
  readonly memory: number;
};

/** A controller in Go that does nothing, on the same objects. */
export async function measureNoop(ground: KubeGround, deployments: number, settleMs: number): Promise<Noop> {
  const program = await buildInCache('noop-controller', SOURCE);
  const env = { PATH: process.env.PATH, KUBECONFIG: await operatorKubeconfig(ground) };
  const startMs = performance.now();
  // Should the benchmark be killed, it goes with it.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, String(deployments)], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(child, 'close');
  try {
    const [line] = await once(createInterface(child.stdout), 'line', { signal: AbortSignal.timeout(WITHIN_MS) });
    if (line !== 'ready') throw new Error(`the no-op controller said ${line}`);
    const seconds = (performance.now() - startMs) / 1000;
    await delay(settleMs);
    return { seconds, memory: (await readProcess(child.pid ?? 0)).memory };
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}
