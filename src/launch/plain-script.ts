import { directiveLines, requestOptions } from './directives.ts';
import { composeScript, type LaunchInput } from './script.ts';
import { variablesUnder } from './variables.ts';

export type PlainInput = Pick<LaunchInput, 'spec' | 'site' | 'secretFiles' | 'body'> & {
  /** What the job is called. */
  readonly name: string;
  /** Remarks for the head of the file, a line each. */
  readonly remarks: readonly string[];
};

/**
 * The batch script of a deployment for a person's own `sbatch`: the same engine under the same supervisor, and no
 * operator anywhere. It carries nobody's marker, so no operator takes it for its own; its log lies where it is submitted;
 * and as nobody submits another attempt, Slurm itself may requeue it.
 */
export function plainScript({ name, remarks, body, ...input }: PlainInput): string {
  const own = [
    ['--job-name', name],
    ['--comment', name],
    // A directory that has to be made first is one that is forgotten: this one is there.
    ['--output', '%x-%j.log'],
    ['--open-mode', 'append'],
    ['--export', 'NONE'],
    ['--requeue'],
  ] as const;
  const options = directiveLines([...own, ...requestOptions({ ...input, excludedNodes: [] })]);
  const head = remarks.map((line) => (line === '' ? '#' : `# ${line.replace(/\p{Cc}/gu, ' ')}`));
  return composeScript([...head, ...options], variablesUnder(name, input), body);
}
