import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LOCK_FILE } from '../src/store/directory/names.ts';
import type { Ground } from './cluster.ts';
import { deploymentNames, writeDeployments } from './fleet.ts';
import { knownJobs } from './known-jobs.ts';
import { deploymentsIn, withOperator } from './operator.ts';
import { readProcess } from './process.ts';
import { until } from './until.ts';

export type Idle = {
  readonly seconds: number;
  /** MiB, at the end. */
  readonly memory: number;
  readonly peakMemory: number;
  /** Shares of one core. */
  readonly cpu: number;
  /** Of SLURM's programs that it ran. */
  readonly childrenCpu: number;
  /** Files of the directory that were written, made or removed; without the lock, which is renewed as long as it is held. */
  readonly written: readonly string[];
};

const WITHIN_MS = 300_000;
/** SLURM thinks over why jobs wait once a minute (`sched_interval`), and what it says then is news: longer than that. */
const QUIET_MS = 65_000;

/** The operator with every setting at its default, its fleet queued, and nothing to do. */
export async function measureIdle(ground: Ground, deployments: number, seconds: number): Promise<Idle> {
  const directory = deploymentsIn(ground.scratch);
  const names = deploymentNames(0, deployments);
  await writeDeployments(directory, names);
  return withOperator(ground, [], async (pid) => {
    await knownJobs(directory, names, WITHIN_MS);
    await untilQuiet(directory);
    const files = await fingerprints(directory);
    const before = await readProcess(pid);
    await delay(seconds * 1000);
    const after = await readProcess(pid);
    return {
      seconds,
      memory: after.memory,
      peakMemory: after.peakMemory,
      cpu: (after.cpu - before.cpu) / seconds,
      childrenCpu: (after.childrenCpu - before.childrenCpu) / seconds,
      written: differences(files, await fingerprints(directory)),
    };
  });
}

async function untilQuiet(directory: string): Promise<void> {
  await until('nothing more is written', WITHIN_MS, async () => {
    const before = await fingerprints(directory);
    await delay(QUIET_MS);
    return differences(before, await fingerprints(directory)).length === 0 || undefined;
  });
}

/** @returns what changes with every write, by path in the directory */
async function fingerprints(directory: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(directory, { recursive: true });
  const files = entries.filter((entry) => entry !== LOCK_FILE);
  return new Map(
    await Promise.all(files.map(async (file) => [file, await fingerprint(join(directory, file))] as const)),
  );
}

async function fingerprint(path: string): Promise<string> {
  const facts = await stat(path).catch(() => undefined); // a temporary file may be gone by now
  return facts ? [facts.ino, facts.size, facts.mtimeMs, facts.ctimeMs].join(':') : '';
}

function differences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): readonly string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter((file) => before.get(file) !== after.get(file));
}
