import type { z } from 'zod';
import { err, ok, type Result } from '../../result.ts';
import type { SlurmError } from '../slurm.ts';
import type { HttpAnswer } from './http.ts';
import { Envelope } from './json.ts';

/**
 * What an error of Slurm's own means for the caller, by its number. First match wins; a number that is not here, of an
 * answer that says what it is, is a refusal. Source: slurm_errno.h; recorded, all versions.
 */
const NUMBERS: readonly {
  readonly numbers: readonly number[];
  readonly kind: SlurmError['kind'];
  readonly why: string;
}[] = [
  { numbers: [1800], kind: 'unreachable', why: 'no connection to the controller' },
  { numbers: [1007], kind: 'unreachable', why: 'the token is not accepted' },
  { numbers: [7000, 7001, 7002, 7003], kind: 'unreachable', why: 'no connection to the database' },
  // The answer of the controller did not come, or not whole: it may have done what it was asked.
  {
    numbers: [-1, 1000, 1001, 1002, 1003, 1004, 1005, 1801, 1802, 1803, 5004],
    kind: 'unknown',
    why: 'unspecified, or half a dialogue',
  },
];

/** Said by 22.05 (500, -1) as of anything else: the same words stand for a token that is not accepted. */
const UNSPECIFIED = -1;

/** @returns the body; or what the errors in it, its status or its shape say, whatever the status was */
export function readAnswer<S extends z.ZodType>(answer: HttpAnswer, shape: S): Result<z.output<S>, SlurmError> {
  if (answer.status === 401)
    return err({ kind: 'unreachable', message: `slurmrestd accepts neither token nor user: ${answer.text.trim()}` });
  const body = parse(answer.text);
  const envelope = Envelope.safeParse(body);
  if (!envelope.success)
    return err({ kind: 'unknown', message: `slurmrestd answered ${answer.status} with no JSON of its own` });
  const failure = failureIn(envelope.data, answer.status);
  if (failure) return err(failure);
  if (answer.status < 200 || answer.status >= 300)
    return err({ kind: 'unknown', message: `slurmrestd answered ${answer.status} without saying why` });
  const read = shape.safeParse(body);
  if (read.success) return ok(read.data);
  const [issue] = read.error.issues;
  const where = issue?.path.join('.') ?? '';
  return err({ kind: 'unknown', message: `slurmrestd's answer is not understood at ${where}: ${issue?.message}` });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An error within a 200 is an error. */
export function failureIn({ errors }: Envelope, status: number): SlurmError | undefined {
  const [first] = errors;
  if (!first) return undefined;
  const number = numberOf(first);
  const message = errors.map(wordsOf).join('; ');
  // Of what could not be read nothing was done.
  if (status === 400 || (number === undefined && status < 500)) return { kind: 'rejected', message };
  const row = NUMBERS.find(({ numbers }) => numbers.includes(number ?? UNSPECIFIED));
  const hint = number === UNSPECIFIED ? ' (22.05 says the same of a token that is not accepted)' : '';
  return { kind: row?.kind ?? 'rejected', message: `${message}${hint}` };
}

export const numberOf = (error: Envelope['errors'][number]): number | undefined =>
  error.error_number ?? error.error_code;

function wordsOf({ description, error }: Envelope['errors'][number]): string {
  if (error === '' || description.includes(error)) return description;
  return description === '' ? error : `${description}: ${error}`;
}
