import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bed } from '../slurm-bed/bed.ts';

/** A job as `squeue` itself tells it; what the operator says is held against this. */
export type QueuedJob = {
  readonly id: string;
  readonly name: string;
  /** SLURM's word. */
  readonly state: string;
  readonly user: string;
  readonly nodes: string;
  readonly reason: string;
  readonly comment: string;
};

/** Every job of every user that is on record, in the order of their ids. */
export async function queue(bed: Bed): Promise<readonly QueuedJob[]> {
  const listing = await bed.run('squeue', '-h', '-a', '-t', 'all', '-S', 'i', '-o', '%A|%j|%T|%u|%N|%r|%k');
  return listing
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', name = '', state = '', user = '', nodes = '', reason = '', ...comment] = line.split('|');
      return { id, name, state, user, nodes, reason, comment: comment.join('|') };
    });
}

/** Has not ended; one that COMPLETES after its last word only waits for its node to be cleaned. */
export function isLive({ state, comment }: QueuedJob): boolean {
  if (state === 'COMPLETING') return !/\|phase=(failed|ended)\b/.test(comment);
  return ['PENDING', 'CONFIGURING', 'RUNNING', 'SUSPENDED'].includes(state);
}

/** Whose marker it carries: a store of an operator under test has a UUID, which bystanders have not. */
function ownerOf({ user, comment }: QueuedJob): string | undefined {
  return user === 'root' ? /^vso1 .* owner=([0-9a-f-]{36})(?:\||$)/.exec(comment)?.[1] : undefined;
}

const isJobOf = (job: QueuedJob, deployment: string): boolean =>
  job.name.startsWith(`vllm.default.${deployment}.r`) && ownerOf(job) !== undefined;

/** Jobs of a deployment of an operator's, whatever became of them, in the order of their names. */
export async function jobsOf(bed: Bed, deployment: string): Promise<readonly QueuedJob[]> {
  return (await queue(bed)).filter((job) => isJobOf(job, deployment)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

export const liveJobs = async (bed: Bed, deployment: string): Promise<readonly QueuedJob[]> =>
  (await jobsOf(bed, deployment)).filter(isLive);

/** `r0.a1` of `vllm.default.echo.r0.a1`. */
export const attemptOf = ({ name }: Pick<QueuedJob, 'name'>): string => name.split('.').slice(3).join('.');

export type QueueWatch = {
  /** Ids of each attempt of a deployment that were ever seen: `{ 'r0.a1': ['17'] }`. */
  attempts(deployment: string): Readonly<Record<string, readonly string[]>>;
  /** Ids of the deployment's live jobs at the last look. */
  live(deployment: string): readonly string[];
  /** Ends the watch; throws when one of the promises was broken at any look. */
  stop(): Promise<void>;
};

/**
 * Looks at the queue all the time: never two live jobs for one replica of one operator's deployment.
 * @param twins deployments whose submissions somebody else doubles
 */
export function watchQueue(bed: Bed, twins: readonly string[] = []): QueueWatch {
  const seen = new Map<string, Set<string>>();
  const doubled = new Set<string>();
  const ending = new AbortController();
  let last: readonly QueuedJob[] = [];

  function take(jobs: readonly QueuedJob[]): void {
    const bySlot = new Map<string, QueuedJob[]>();
    for (const job of jobs) {
      const owner = ownerOf(job);
      if (owner === undefined) continue;
      seen.set(job.name, (seen.get(job.name) ?? new Set()).add(job.id));
      if (!isLive(job) || twins.some((twin) => isJobOf(job, twin))) continue;
      const slot = `${owner} ${job.name.replace(/\.a\d+$/, '')}`;
      bySlot.set(slot, [...(bySlot.get(slot) ?? []), job]);
    }
    for (const [slot, live] of bySlot) {
      if (live.length > 1) doubled.add(`${slot}: ${live.map(({ id, name, state }) => `${id} ${name} ${state}`)}`);
    }
  }

  async function look(): Promise<void> {
    while (!ending.signal.aborted) {
      // A controller that is away is part of some stories; the next look sees what came of it.
      last = await queue(bed).catch(() => last);
      take(last);
      await delay(250, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  }
  const looking = look();

  return {
    attempts: (deployment) =>
      Object.fromEntries(
        [...seen]
          .filter(([name]) => name.startsWith(`vllm.default.${deployment}.r`))
          .map(([name, ids]) => [attemptOf({ name }), [...ids]] as const)
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      ),
    live: (deployment) => last.filter((job) => isJobOf(job, deployment) && isLive(job)).map(({ id }) => id),
    async stop() {
      ending.abort();
      await looking;
      assert.deepEqual([...doubled], []);
    },
  };
}
