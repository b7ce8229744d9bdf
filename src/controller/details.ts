import type { Ending, HistoryAnswer, OwnJob } from '../decide/observation.ts';
import type { LostJob } from '../decide/questions.ts';
import { logPath } from '../launch/site.ts';
import { type JobEnding, type JobRef, jobKey, refOf } from '../slurm/job.ts';
import type { Deps } from './deps.ts';
import { createGather } from './gather.ts';

/** How jobs ended: asked of Slurm only for those whose attempt is not judged yet. */
export type Details = {
  /** undefined: could not be asked, or not known yet. */
  ending(job: OwnJob): Promise<Ending | undefined>;
  history(job: LostJob): Promise<HistoryAnswer | undefined>;
  /** Of a job whose ending Slurm does not tell yet; undefined: cannot be read. */
  logTail(job: OwnJob): Promise<string | undefined>;
};

type Answered = { readonly kind: 'kept'; readonly endings: readonly JobEnding[] } | { readonly kind: 'unkept' };

/** argv and answer stay small. */
const AT_ONCE = 100;
/** slurmdbd's clock and ours may differ; ids are no help, so the bound is generous. */
const HISTORY_SLACK_MS = 120_000;

export function createDetails({ slurm, site, tail }: Pick<Deps, 'slurm' | 'site' | 'tail'>): Details {
  const describe = createGather<JobRef, JobEnding>({
    atOnce: AT_ONCE,
    nameOf: jobKey,
    async ask(refs) {
      const result = await slurm.describe(refs);
      return new Map(result.ok ? result.value.map((ending) => [jobKey(ending), ending]) : []);
    },
  });
  const account = createGather<LostJob, Answered>({
    atOnce: AT_ONCE,
    nameOf: (asked) => asked.name,
    async ask(asked) {
      const since = Math.min(...asked.map((one) => one.submittedMs)) - HISTORY_SLACK_MS;
      const result = await slurm.history(
        asked.map((one) => one.name),
        since,
      );
      if (!result.ok)
        return new Map(result.error.kind === 'rejected' ? asked.map((one) => [one.name, { kind: 'unkept' }]) : []);
      return new Map(
        asked.map((one) => [
          one.name,
          {
            kind: 'kept',
            endings: result.value.filter(
              (ending) => ending.name === one.name && ending.submitMs >= one.submittedMs - HISTORY_SLACK_MS,
            ),
          },
        ]),
      );
    },
  });

  const tailOf = (job: Pick<JobEnding, 'id' | 'name'>) => tail(logPath(site, job.name, job.id));
  const withTail = async (ending: JobEnding): Promise<Ending> => ({ ...ending, logTail: await tailOf(ending) });

  return {
    logTail: tailOf,
    async ending(job) {
      const ending = await describe(refOf(job));
      return ending && withTail(ending);
    },
    async history(job) {
      const answer = await account(job);
      if (!answer) return undefined;
      if (answer.kind === 'unkept') return { kind: 'unkept' };
      const own = answer.endings.filter((ending) => ending.id === job.jobId);
      const newest = own.sort((a, b) => b.submitMs - a.submitMs)[0];
      return newest ? { kind: 'ended', ending: await withTail(newest) } : { kind: 'none' };
    },
  };
}
