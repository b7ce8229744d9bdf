import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Ground } from './cluster.ts';
import { until } from './until.ts';

/** What is installed: `npm run bench` builds it first. */
export const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const START_MS = 60_000;
const STOP_MS = 30_000;

export const deploymentsIn = (scratch: string): string => join(scratch, 'deployments');
export const jobLogsIn = (scratch: string): string => join(scratch, 'job-logs');

/**
 * The operator as people run it: a process of its own over a directory; `measure` begins when it has heard from SLURM.
 * @param settings as for `--set`: `intervals.tickSeconds=1`; everything else has its default
 * @param measure  is given the process id
 */
export async function withOperator<T>(
  { bed, scratch }: Ground,
  settings: readonly string[],
  measure: (pid: number) => Promise<T>,
): Promise<T> {
  const all = ['cluster.type=slurm', `logDirectory=${jobLogsIn(scratch)}`, 'log.format=json', ...settings];
  const args = [MAIN, 'run', '--directory', deploymentsIn(scratch), ...all.flatMap((setting) => ['--set', setting])];
  const logFile = join(scratch, 'operator.log');
  const log = await open(logFile, 'w');
  // Without the settings of whoever runs this.
  const env = { PATH: process.env.PATH, HOME: scratch, ...bed.env };
  const child = spawn(process.execPath, args, { cwd: scratch, env, stdio: ['ignore', 'ignore', log.fd] });
  await log.close();
  const endNow = (): void => void child.kill('SIGKILL');
  process.once('exit', endNow);
  try {
    await until('the operator hears from SLURM', START_MS, async () => {
      const said = await readFile(logFile, 'utf8');
      if (hasEnded(child)) throw new Error(`the operator has ended: ${said.slice(-2000)}`);
      return said.includes('SLURM answers') || undefined;
    });
    return await measure(child.pid ?? 0);
  } finally {
    await end(child);
    process.off('exit', endNow);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const withdraw = new AbortController();
  const late = delay(STOP_MS, true, { signal: withdraw.signal }).catch(() => false);
  if ((await Promise.race([ended, late])) === true) child.kill('SIGKILL');
  withdraw.abort();
  await ended;
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;
