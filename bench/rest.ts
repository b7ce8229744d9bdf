import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { serveScript, standInCommand } from '../src/cli/package.ts';
import { systemClock } from '../src/clock.ts';
import { Settings, siteOf } from '../src/config.ts';
import { createSlurmCli } from '../src/slurm/cli/cli.ts';
import { createSlurmRest } from '../src/slurm/rest/rest.ts';
import type { Slurm, Submission } from '../src/slurm/slurm.ts';
import type { Bed } from '../test/live/slurm-bed/bed.ts';
import { startSshBed } from '../test/live/ssh-bed/bed.ts';
import { forced, openWire } from '../test/live/ssh-bed/wire.ts';
import { type Ground, onOccupiedBed } from './cluster.ts';
import { deploymentNames, renderedScripts } from './fleet.ts';
import { jobLogsIn } from './operator.ts';
import type { RawLoop } from './raw-loop.ts';
import { aimed, median, type Row, told } from './report.ts';
import { mustBeQueued } from './submission.ts';

/** What slurmrestd costs beside SLURM's own commands. */
export type RestMeasured = {
  readonly submissions: number;
  /** Seconds for all of them, as many at a time. */
  readonly rounds: readonly { readonly rest: number; readonly rawLoop: number }[];
  readonly queued: number;
  readonly listings: Readonly<Record<'rest' | 'commands' | 'overSsh', Listed>>;
};

/** One listing of everything, the median of a few. */
type Listed = {
  readonly bytes: number;
  readonly seconds: number /** Of this process alone. */;
  readonly cpuSeconds: number;
};

const WITHIN_MS = 300_000;
const LISTED = 5;
const WITH_REST = { rest: true, accounting: true } as const;
const RAW_LOOP = fileURLToPath(new URL('raw-loop.ts', import.meta.url));
const { limits } = Settings.parse({});

export async function measureRest(submissions: number, rounds: number, queued: number): Promise<RestMeasured> {
  const timed: RestMeasured['rounds'][number][] = [];
  for (let round = 0; round < rounds; round++) {
    const rest = await onOccupiedBed((ground) => byRest(ground, submissions), WITH_REST);
    timed.push({ rest, rawLoop: await onOccupiedBed((ground) => byRawLoop(ground, submissions), WITH_REST) });
  }
  const listings = await onOccupiedBed((ground) => listed(ground, queued), WITH_REST);
  return { submissions, rounds: timed, queued, listings };
}

async function byRest(ground: Ground, count: number): Promise<number> {
  const slurm = await restOf(ground.bed);
  const startMs = performance.now();
  const ids = await submitAll(slurm, scriptsOf(ground, count));
  const seconds = (performance.now() - startMs) / 1000;
  await slurm.close();
  await mustBeQueued(ground, ids);
  return seconds;
}

async function byRawLoop(ground: Ground, count: number): Promise<number> {
  const file = join(ground.scratch, 'submissions.json');
  await writeFile(file, JSON.stringify(scriptsOf(ground, count)));
  const { stdout } = await execa(process.execPath, [RAW_LOOP, file, String(limits.slurmCalls)], {
    env: { PATH: process.env.PATH, HOME: tmpdir(), ...ground.bed.env },
    extendEnv: false,
    timeout: WITHIN_MS,
  });
  const { seconds, ids } = JSON.parse(stdout) as RawLoop;
  await mustBeQueued(ground, ids);
  return seconds;
}

async function listed(ground: Ground, queued: number): Promise<RestMeasured['listings']> {
  const { bed } = ground;
  const rest = await restOf(bed);
  const commands = createSlurmCli({
    cluster: 'bench',
    clock: systemClock,
    environment: { PATH: process.env.PATH, ...bed.env },
  });
  await submitAll(rest, scriptsOf(ground, queued));
  const sshd = await startSshBed({ environment: bed.env, keyOptions: forced('restrict') });
  const wire = openWire(sshd);
  try {
    return {
      rest: await timesOf(rest, queued),
      commands: await timesOf(commands, queued),
      overSsh: await timesOf(wire.slurm, queued),
    };
  } finally {
    await Promise.all([rest.close(), commands.close(), wire.close()]);
    await sshd.stop();
  }
}

async function timesOf(slurm: Slurm, queued: number): Promise<Listed> {
  const all: Listed[] = [];
  for (let round = 0; round < LISTED; round++) {
    const [startMs, cpu] = [performance.now(), process.cpuUsage()];
    const listing = await slurm.listJobs();
    const { user, system } = process.cpuUsage(cpu);
    if (!listing.ok) throw new Error(listing.error.message);
    if (listing.value.jobs.length !== queued)
      throw new Error(`${listing.value.jobs.length} of ${queued} jobs are listed`);
    const seconds = (performance.now() - startMs) / 1000;
    all.push({ bytes: listing.value.bytes ?? 0, seconds, cpuSeconds: (user + system) / 1e6 });
  }
  const middle = (pick: (one: Listed) => number) => median(all.map(pick));
  return {
    bytes: middle((one) => one.bytes),
    seconds: middle((one) => one.seconds),
    cpuSeconds: middle((one) => one.cpuSeconds),
  };
}

async function restOf(bed: Bed): Promise<Slurm> {
  const token = { ok: true, value: { value: await bed.token('root', 3600), user: 'root' } } as const;
  return createSlurmRest({
    cluster: 'bench',
    clock: systemClock,
    server: { url: bed.restUrl },
    token: async () => token,
  });
}

function scriptsOf({ scratch }: Ground, count: number): readonly Submission[] {
  const settings = Settings.parse({ logDirectory: jobLogsIn(scratch) });
  return renderedScripts(deploymentNames(0, count), siteOf(settings, standInCommand()), serveScript());
}

/** As many at a time as the operator makes. */
async function submitAll(slurm: Slurm, all: readonly Submission[]): Promise<readonly string[]> {
  const ids: string[] = [];
  const waiting = all.values();
  const lane = async (): Promise<void> => {
    for (const one of waiting) {
      const submitted = await slurm.submit(one);
      if (!submitted.ok) throw new Error(submitted.error.message);
      ids.push(submitted.value);
    }
  };
  await Promise.all(Array.from({ length: limits.slurmCalls }, lane));
  return ids;
}

const AIM = { ratio: 0.5, cpuSeconds: 0.15 };

export function restRowsOf({ submissions, rounds, queued, listings }: RestMeasured): readonly Row[] {
  const ratio = median(rounds.map(({ rest, rawLoop }) => rest / rawLoop));
  const { rest, commands, overSsh } = listings;
  const each = (pick: (one: Listed) => string) => [rest, commands, overSsh].map(pick).join(' · ');
  return [
    told(`${submissions} scripts by slurmrestd, s`, rounds.map((one) => one.rest.toFixed(2)).join(', ')),
    told('the same in a raw loop of sbatch, s', rounds.map((one) => one.rawLoop.toFixed(2)).join(', ')),
    aimed('ratio, median of the rounds', `≤ ${AIM.ratio.toFixed(2)}`, ratio.toFixed(2), ratio <= AIM.ratio),
    told(
      `bytes of a listing of ${queued} jobs, slurmrestd · commands · over ssh`,
      each(({ bytes }) => String(bytes)),
    ),
    told(
      'its time, s',
      each(({ seconds }) => seconds.toFixed(2)),
    ),
    aimed(
      'CPU of this process for it, s',
      `≤ ${AIM.cpuSeconds}`,
      each(({ cpuSeconds }) => cpuSeconds.toFixed(2)),
      Math.max(rest.cpuSeconds, commands.cpuSeconds, overSsh.cpuSeconds) <= AIM.cpuSeconds,
    ),
  ];
}
