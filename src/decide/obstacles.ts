import { problemLine } from '../api/problem-line.ts';
import type { Spec } from '../api/spec.ts';
import { whyNotAllowed } from '../launch/tenancy.ts';
import { cut } from './cut.ts';
import type { Observation } from './observation.ts';

/** Why no attempt of the present spec may be submitted, although nothing is wrong with it. */
export type Obstacle = {
  readonly reason: 'NotAllowed' | 'SecretMissing' | 'SecretUnreachable';
  /** Only a person can take it away. */
  readonly lasts: boolean;
  /** Completes “it is not submitted …”. */
  readonly because: string;
  /** Completes “the one before is kept until …”. */
  readonly until: string;
  readonly what: string;
};

const LONGEST = 2_000;

/** The one to hear of first. */
export function obstacleTo(
  spec: Spec,
  { resource, tenancy, secretProblems }: Pick<Observation, 'resource' | 'tenancy' | 'secretProblems'>,
): Obstacle | undefined {
  const { namespace } = resource.key;
  const refused = tenancy ? whyNotAllowed(spec, namespace, tenancy) : [];
  if (refused.length > 0)
    return {
      reason: 'NotAllowed',
      lasts: true,
      because: `as the operator's rules do not allow it in namespace ${namespace}`,
      until: 'the new one is allowed',
      what: cut(refused.map(problemLine).join('; '), LONGEST),
    };
  const [lacking] = secretProblems;
  if (!lacking) return undefined;
  const isMissing = lacking.kind === 'missing';
  return {
    reason: isMissing ? 'SecretMissing' : 'SecretUnreachable',
    lasts: isMissing,
    because: 'without its secret, which is looked for again',
    until: 'the new one can be given what it needs',
    what: `${lacking.field}: ${lacking.message}`,
  };
}
