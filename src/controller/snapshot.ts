import { isDeepStrictEqual } from 'node:util';
import { keyText } from '../api/key.ts';
import type { Clock } from '../clock.ts';
import type { OwnJob } from '../decide/observation.ts';
import { isOfUser } from '../decide/users.ts';
import type { Known } from '../result.ts';
import { readIdentity, readReport } from '../slurm/identity.ts';
import { type Job, jobKey } from '../slurm/job.ts';
import type { Listing, Notices, Slurm, SlurmError } from '../slurm/slurm.ts';

export type Fleet = {
  readonly askedAtMs: number;
  readonly notices?: Notices;
  /** Whom SLURM is asked as, where others' jobs are listed too: each is only by its name and marker what it seems. */
  readonly user?: string;
  /** By `namespace/name`: the jobs of this store's deployments, whatever uid. */
  readonly jobs: ReadonlyMap<string, readonly OwnJob[]>;
};

export type Refreshed = {
  /** Deployments whose jobs look different than before. */
  readonly changed: readonly string[];
  /** Whether Slurm can be believed turned over: everybody wants to know. */
  readonly turned: boolean;
  readonly tookMs: number;
};

/** One listing for the whole fleet, asked once a tick and shared by every turn. */
export type Snapshot = {
  refresh(): Promise<Refreshed>;
  fleet(): Known<Fleet, SlurmError>;
  /** So many jobs vanished at once that the listing is not believed yet. */
  suspect(): boolean;
  /** What was last believed, for those who must keep following it. */
  lastKnown(): Fleet | undefined;
};

/** Fewer live jobs than this may all end between two looks. */
const FEW = 3;
/** A view that stays the same for so long is believed, however strange. */
const SUSPICION_MS = 60_000;

export function createSnapshot(options: {
  readonly slurm: Pick<Slurm, 'listJobs'>;
  readonly clock: Clock;
  readonly owner: string;
  readonly suspectFraction: number;
  /** Whose jobs count besides our own user's when many vanish at once: nobody else shall make us doubt. */
  readonly userOf?: (namespace: string) => string | undefined;
}): Snapshot {
  const { slurm, clock, owner, suspectFraction, userOf } = options;
  let believed: Fleet | undefined;
  let answer: Known<Fleet, SlurmError> = {
    known: false,
    why: { kind: 'unreachable', message: 'SLURM has not been asked yet' },
    sinceMs: clock.now(),
  };
  let prints = new Map<string, string>();
  let suspectSince: number | undefined;

  async function refresh(): Promise<Refreshed> {
    const startMs = clock.now();
    const result = await slurm.listJobs();
    const tookMs = clock.now() - startMs;
    const before = { known: answer.known, suspect: suspectSince !== undefined };
    if (!result.ok) {
      answer = { known: false, why: result.error, sinceMs: answer.known ? clock.now() : answer.sinceMs };
      return { changed: [], turned: before.known, tookMs };
    }
    const fleet = group(result.value, owner);
    suspectSince = vanishedTooMany(believed, fleet, suspectFraction, userOf)
      ? (suspectSince ?? clock.now())
      : undefined;
    if (suspectSince !== undefined && clock.now() - suspectSince >= SUSPICION_MS) suspectSince = undefined;
    answer = { known: true, value: fleet };
    const toldAnew = !isDeepStrictEqual(fleet.notices, believed?.notices);
    const turned = !before.known || toldAnew || before.suspect !== (suspectSince !== undefined);
    if (suspectSince !== undefined) return { changed: [], turned, tookMs };
    believed = fleet;
    const fresh = new Map([...fleet.jobs].map(([key, jobs]) => [key, fingerprint(jobs)]));
    const changed = [...new Set([...prints.keys(), ...fresh.keys()])].filter(
      (key) => prints.get(key) !== fresh.get(key),
    );
    prints = fresh;
    return { changed, turned, tookMs };
  }

  return {
    refresh,
    fleet: () => answer,
    suspect: () => suspectSince !== undefined,
    lastKnown: () => believed,
  };
}

function group(listing: Listing, owner: string): Fleet {
  const jobs = new Map<string, OwnJob[]>();
  for (const job of listing.jobs) {
    const own = ownJobOf(job, owner);
    if (!own) continue;
    const key = keyText(own.identity);
    const known = jobs.get(key);
    if (known) known.push(own);
    else jobs.set(key, [own]);
  }
  const { askedAtMs, user, notices } = listing;
  return { askedAtMs, jobs, ...(user !== undefined && { user }), ...(notices && { notices }) };
}

/** By name and marker alone. */
export function ownJobOf(job: Job, owner: string): OwnJob | undefined {
  const identity = readIdentity(job);
  return identity?.owner === owner ? { ...job, identity, report: readReport(job.comment) } : undefined;
}

function vanishedTooMany(
  before: Fleet | undefined,
  after: Fleet,
  fraction: number,
  userOf: (namespace: string) => string | undefined = () => undefined,
): boolean {
  if (!before) return false;
  const live = [...before.jobs.values()]
    .flat()
    .filter((job) => job.phase !== 'ended' && isOfUser(job, before.user, [userOf(job.identity.namespace) ?? '']));
  if (live.length < FEW) return false;
  const shown = new Set([...after.jobs.values()].flat().map(jobKey));
  return live.filter((job) => !shown.has(jobKey(job))).length > live.length * fraction;
}

/** What a deployment would decide on; the scheduler's wandering guesses are not part of it. */
function fingerprint(jobs: readonly OwnJob[]): string {
  return jobs
    .map((job) => [job.id, job.submitMs, job.state, job.reason, job.nodes.join(), job.comment, job.name].join('\u0001'))
    .join('\u0002');
}
