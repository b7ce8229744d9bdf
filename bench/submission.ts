import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { serveScript, standInCommand } from '../src/cli/package.ts';
import { Settings, siteOf } from '../src/config.ts';
import { type Ground, jobIds, onOccupiedBed } from './cluster.ts';
import { deploymentNames, renderedScripts, writeDeployments } from './fleet.ts';
import { inStatusFile, knownJobs } from './known-jobs.ts';
import { deploymentsIn, jobLogsIn, withOperator } from './operator.ts';
import type { RawLoop } from './raw-loop.ts';

/** Seconds. */
export type Round = {
  /** From before the first file is written until every status file names its job. */
  readonly operator: number;
  /** The same scripts, each piped to an sbatch, as many at a time. */
  readonly rawLoop: number;
};

const WITHIN_MS = 300_000;
const RAW_LOOP = fileURLToPath(new URL('raw-loop.ts', import.meta.url));

/** Each on a new cluster of its own; who goes first changes from round to round, for the machine may change as well. */
export async function submissionRound(deployments: number, round: number): Promise<Round> {
  const names = deploymentNames(0, deployments);
  if (round % 2 === 0) {
    const operator = await onOccupiedBed((ground) => byOperator(ground, names));
    return { operator, rawLoop: await onOccupiedBed((ground) => byRawLoop(ground, names)) };
  }
  const rawLoop = await onOccupiedBed((ground) => byRawLoop(ground, names));
  return { operator: await onOccupiedBed((ground) => byOperator(ground, names)), rawLoop };
}

/** It runs already, over an empty directory. */
export async function byOperator(
  ground: Ground,
  names: readonly string[],
  settings: readonly string[] = [],
): Promise<number> {
  const directory = deploymentsIn(ground.scratch);
  await writeDeployments(directory, []);
  return withOperator(ground, settings, async () => {
    const startMs = performance.now();
    await writeDeployments(directory, names);
    const ids = await knownJobs(inStatusFile(directory), names, WITHIN_MS);
    const seconds = (performance.now() - startMs) / 1000;
    await mustBeQueued(ground, ids);
    return seconds;
  });
}

async function byRawLoop(ground: Ground, names: readonly string[]): Promise<number> {
  const { bed, scratch } = ground;
  const settings = Settings.parse({ logDirectory: jobLogsIn(scratch) });
  const file = join(scratch, 'submissions.json');
  await writeFile(file, JSON.stringify(renderedScripts(names, siteOf(settings, standInCommand()), serveScript())));
  const { stdout } = await execa(process.execPath, [RAW_LOOP, file, String(settings.limits.slurmCalls)], {
    env: { PATH: process.env.PATH, HOME: tmpdir(), ...bed.env },
    extendEnv: false,
    timeout: WITHIN_MS,
  });
  const { seconds, ids } = JSON.parse(stdout) as RawLoop;
  await mustBeQueued(ground, ids);
  return seconds;
}

export async function mustBeQueued({ bed }: Ground, ids: readonly string[]): Promise<void> {
  const queued = new Set((await jobIds(bed)).values());
  const missing = ids.filter((id) => !queued.has(id));
  if (missing.length > 0 || queued.size !== new Set(ids).size)
    throw new Error(`${ids.length} jobs were submitted and ${queued.size} are queued; missing: ${missing.join(' ')}`);
}
