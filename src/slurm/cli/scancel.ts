import { err, ok, type Result } from '../../result.ts';
import type { JobRef } from '../job.ts';
import type { SlurmError } from '../slurm.ts';
import type { Command } from './command-line.ts';
import { failureOf } from './outcome.ts';
import type { Ran } from './run.ts';

/** Compares before it cancels: with these filters scancel reads the job first and leaves it if user or name differ. */
export function scancelCommand(ref: Pick<JobRef, 'id' | 'name'>): Command {
  return { program: 'scancel', args: ['--me', `--name=${ref.name}`, ref.id] };
}

/** Words for a job that has nothing left to cancel; with a filter, 22.05 says so of any job already ended or purged. */
const NOTHING_LEFT = /invalid job id specified|already completing or completed/i;

export function readCancellation(ran: Ran): Result<void, SlurmError> {
  const failure = failureOf(ran);
  if (failure === undefined) return ok(undefined);
  const lines = ran.stderr.split('\n').filter((line) => line.trim() !== '');
  const gone = ran.end.how === 'exited' && lines.length > 0 && lines.every((line) => NOTHING_LEFT.test(line));
  return gone ? ok(undefined) : err(failure);
}
