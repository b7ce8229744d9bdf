import type { z } from 'zod';
import { err, ok, type Result } from '../../result.ts';
import type { SlurmError } from '../slurm.ts';
import type { HttpAnswer } from './http.ts';
import { Envelope, parsed } from './json.ts';

type ErrorRule = {
  readonly kind: SlurmError['kind'];
  readonly status?: number;
  /** Of the number, both included. */
  readonly from?: number;
  readonly to?: number;
  readonly words?: RegExp;
  readonly why: string;
};

/**
 * What an error of Slurm's own means for the caller. First match wins, what matches none is a refusal. Source:
 * slurm_errno.h; recorded, all versions.
 */
const ERRORS: readonly ErrorRule[] = [
  { kind: 'rejected', status: 400, why: 'the question itself is not understood: nobody was asked' },
  { kind: 'unreachable', from: 1800, to: 1800, why: 'no connection to the controller' },
  { kind: 'unreachable', from: 1007, to: 1007, why: 'the token is not accepted' },
  { kind: 'unreachable', from: 7000, to: 7003, why: 'no connection to the database' },
  { kind: 'unreachable', words: /in standby mode/i, why: 'another controller has to be asked' },
  { kind: 'unreachable', words: /temporarily una|queue full/i, why: 'it was not taken, and may be later' },
  // The answer of the controller did not come, or not whole: it may have done what it was asked.
  { kind: 'unknown', from: -1, to: 999, why: 'unspecified, or an error of the operating system' },
  { kind: 'unknown', from: 1000, to: 1999, why: 'half a dialogue' },
  { kind: 'unknown', from: 5000, to: 5999, why: 'a socket; 22.05 says 5005 also of a token that is not accepted' },
];

/** Said by 22.05 (500) as of anything else: the same numbers stand for a token that is not accepted. */
const UNSPECIFIED = -1;
const ZERO_BYTES = 5005;

/** @returns the body; or what the errors in it, its status or its shape say, whatever the status was */
export function readAnswer<S extends z.ZodType>(answer: HttpAnswer, shape: S): Result<z.output<S>, SlurmError> {
  if (answer.status === 401)
    return err({ kind: 'unreachable', message: `slurmrestd accepts neither token nor user: ${answer.text.trim()}` });
  const body = parsed(answer.text);
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

/** An error within a 200 is an error. */
export function failureIn({ errors }: Envelope, status: number): SlurmError | undefined {
  const [first] = errors;
  if (!first) return undefined;
  const number = numberOf(first);
  const message = errors.map(wordsOf).join('; ');
  if (number === undefined && status < 500) return { kind: 'rejected', message };
  const row = ERRORS.find((rule) => matches(rule, number ?? UNSPECIFIED, status, message));
  const isAmbiguous = status === 500 && (number === UNSPECIFIED || number === ZERO_BYTES);
  const hint = isAmbiguous ? ' (22.05 says the same of a token that is not accepted)' : '';
  return { kind: row?.kind ?? 'rejected', message: `${message}${hint}` };
}

const matches = (rule: ErrorRule, number: number, status: number, words: string): boolean =>
  (rule.status === undefined || rule.status === status) &&
  (rule.from === undefined || rule.to === undefined || (number >= rule.from && number <= rule.to)) &&
  (rule.words === undefined || rule.words.test(words));

export const numberOf = (error: Envelope['errors'][number]): number | undefined =>
  error.error_number ?? error.error_code;

function wordsOf({ description, error }: Envelope['errors'][number]): string {
  if (error === '' || description.includes(error)) return description;
  return description === '' ? error : `${description}: ${error}`;
}
