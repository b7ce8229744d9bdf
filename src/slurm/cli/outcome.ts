import type { SlurmError } from '../slurm.ts';
import type { Ran } from './run.ts';

type OutcomeRule = { readonly kind: SlurmError['kind']; readonly words: RegExp; readonly source: string };

/**
 * What Slurm's programs say on stderr when they did not do it. In order, first match wins. The certain no stands before
 * the doubt: only words that exclude an arrival may be there.
 */
const OUTCOMES: readonly OutcomeRule[] = [
  {
    kind: 'unreachable',
    words: /unable to contact slurm controller \(connect failure\)/i,
    source: 'recorded, all versions, controller down: no connection, so no request',
  },
  { kind: 'unreachable', words: /in standby mode/i, source: 'slurm_errno.h ESLURM_IN_STANDBY_MODE' },
  {
    kind: 'unreachable',
    words: /munge encode failed|failed to access "[^"]*munge[^"]*"|auth_g_create/i,
    source: 'recorded, munge daemon away: no credential, so no request',
  },
  {
    kind: 'unreachable',
    words: /problem talking to the database|unable to connect to database|persistinit/i,
    source: 'recorded, slurmdbd down',
  },
  { kind: 'unreachable', words: /unable to resolve|could not establish a configuration source/i, source: 'slurm_conf' },
  {
    kind: 'unreachable',
    words:
      /^ssh: |^(ssh|kex)_exchange_identification: |host key verification failed|permission denied \(|banner exchange/im,
    source: 'ssh(1), before anything ran',
  },
  { kind: 'rejected', words: /this key does not allow the command/, source: 'config/ssh/far-shell.sh' },
  { kind: 'rejected', words: /accounting storage is disabled/i, source: 'recorded, cluster without accounting' },
  {
    kind: 'unknown',
    words:
      /timed out|(send|receive|shutdown) failure|zero bytes|transport endpoint|connection (reset|closed)|broken pipe|unspecified error|unexpected message|protocol (authentication|version)|slurm_load_\w+ error/i,
    source: 'slurm_errno.h, communication: the request may have arrived',
  },
  {
    kind: 'unknown',
    words: /temporarily unable|temporarily unavailable|queue full/i,
    source: 'sbatch.c: it was still trying when it ended',
  },
  {
    kind: 'rejected',
    words: /unrecognized option|invalid option|access\/permission denied|invalid field requested/i,
    source: 'recorded',
  },
];

/**
 * Why this run is no answer; undefined when it is one. A good exit code does not outweigh words of failure: 22.05 is known
 * to exit 0 with the controller away.
 */
export function failureOf(ran: Ran): SlurmError | undefined {
  const { end } = ran;
  const said = OUTCOMES.find((rule) => rule.words.test(ran.stderr));
  const message = describeRun(ran);
  if (end.how === 'not started') return { kind: 'unreachable', message };
  if (end.how !== 'exited') return { kind: 'unknown', message };
  if (said) return { kind: said.kind, message };
  return end.code === 0 ? undefined : { kind: 'unknown', message };
}

/** What the program said, without its own name before each line; how it ended when it said nothing or was not heard out. */
export function describeRun(ran: Ran): string {
  const words = ran.stderr
    .split('\n')
    .map((line) => line.replace(new RegExp(`^${ran.program}: (?:error: )?`), '').trimEnd())
    .filter((line) => line !== '')
    .join('\n');
  const { end } = ran;
  switch (end.how) {
    case 'exited':
      return words || `${ran.program} exited with ${end.code} and said nothing`;
    case 'killed':
      return withWords(`${ran.program} was killed by ${end.signal}`, words);
    case 'timed out':
      return withWords(`${ran.program} did not answer within ${end.afterMs} ms`, words);
    case 'said too much':
      return withWords(`${ran.program} printed more than ${end.bytes} bytes`, words);
    case 'not started':
      return `${ran.program} could not be started: ${end.why}`;
  }
}

const withWords = (end: string, words: string): string => (words === '' ? end : `${end}: ${words}`);
