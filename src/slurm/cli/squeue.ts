import { err, ok, type Result } from '../../result.ts';
import { JOB_NAME_PREFIX } from '../identity.ts';
import type { Job, JobHead } from '../job.ts';
import { expandNodeList } from '../node-list.ts';
import { jobInPhase } from '../phases.ts';
import { readState } from '../states.ts';
import type { Command } from './command-line.ts';
import { readTime, TIME_ENVIRONMENT } from './time.ts';

/**
 * The whole fleet in one call, about 120 bytes a job and its comment.
 * `--all`: partitions that are hidden or were closed to us hide no job of ours.
 * @param mark a word nobody can have foreseen. Names and comments may hold any character, line breaks included; this one
 *             they cannot, so they cannot be mistaken for the end of a field or for another job.
 */
export function squeueCommand(mark: string): Command {
  const head = ['%A', '%T', '%V', '%S', '%e', '%P', '%u', '%N', '%r'].join(SEPARATOR);
  return {
    program: 'squeue',
    args: ['--noheader', '--me', '--all', '--states=all', `--format=${mark}${head}${mark}%j${mark}%k`],
    environment: TIME_ENVIRONMENT,
  };
}

/**
 * @param mark that of the command
 * @returns the jobs named as ours are, whatever else the user runs; or what could not be understood of one of them
 */
export function parseSqueue(output: string, mark: string): Result<readonly Job[], string> {
  if (output !== '' && !output.endsWith('\n')) return err('the listing breaks off in the middle of a line');
  // What stands before the first mark is a login greeting at best.
  const fields = output.split(mark).slice(1);
  if (fields.length % FIELDS !== 0) return err('the listing breaks off in the middle of a job');
  const jobs: Job[] = [];
  for (let at = 0; at < fields.length; at += FIELDS) {
    const [head = '', name = '', comment = ''] = fields.slice(at, at + FIELDS);
    if (!name.startsWith(JOB_NAME_PREFIX)) continue;
    const job = readJob(head, name, comment.slice(0, -1));
    if (job === undefined) return err(`the listing says of job ${name} what cannot be understood: ${head}`);
    jobs.push(job);
  }
  return ok(jobs);
}
const FIELDS = 3;
/** In no field but the reason; `/` is in `N/A`, the comma in node lists. */
const SEPARATOR = '=';

function readJob(head: string, name: string, comment: string): Job | undefined {
  // The reason is last because, alone of these, it is free text.
  const [id = '', word = '', submit = '', start = '', end = '', partition = '', user = '', nodeList = '', ...reason] =
    head.split(SEPARATOR);
  const state = readState(word);
  const submitMs = readTime(submit);
  const nodes = expandNodeList(nodeList);
  if (!/^\d+$/.test(id) || state === undefined || submitMs === undefined || nodes === undefined) return undefined;
  const common: JobHead = {
    id,
    name,
    user,
    partition,
    reason: reason.join(SEPARATOR),
    nodes,
    comment: comment === '(null)' ? '' : comment,
    submitMs,
  };
  return jobInPhase(common, state, readTime(start), readTime(end));
}
