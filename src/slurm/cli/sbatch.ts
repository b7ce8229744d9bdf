import { err, ok, type Result } from '../../result.ts';
import type { SlurmError, Submission } from '../slurm.ts';
import type { Command } from './command-line.ts';
import { describeRun, failureOf } from './outcome.ts';
import type { Ran } from './run.ts';

/**
 * The script's `#SBATCH` lines say all; a command line would override them, and `ps` would show it to everybody. The name
 * alone is said again: what is looked for later must be what was submitted.
 */
export function sbatchCommand(submission: Submission): Command {
  return { program: 'sbatch', args: ['--parsable', `--job-name=${submission.name}`], stdin: submission.script };
}

/**
 * The id, or what became of the request. Beyond the words it knows, an sbatch that ran to its end and explained itself
 * refused: it gives up either on its own options, before it asked anybody, or on the controller's answer.
 *
 * A refusal is not always traceless: 22.05 answers `--gres=gpu:9` or `--mem=999G` with an error and records the job all
 * the same, FAILED with reason BadConstraints, under our name.
 */
export function readSubmission(ran: Ran): Result<string, SlurmError> {
  const failure = failureOf(ran);
  if (failure === undefined) {
    const id = /^(\d+)(?:;\S+)?$/m.exec(ran.stdout.trim())?.[1];
    return id === undefined ? err({ kind: 'unknown', message: 'sbatch exited with 0 and named no job' }) : ok(id);
  }
  const explained = ran.end.how === 'exited' && /^sbatch: /m.test(ran.stderr);
  const recognised = failureOf({ ...ran, end: { how: 'exited', code: 0 } });
  if (explained && recognised === undefined) return err({ kind: 'rejected', message: describeRun(ran) });
  return err(failure);
}
