import { problemLine } from '../api/problem-line.ts';
import type { Spec } from '../api/spec.ts';
import { secretsOf } from '../launch/secrets.ts';
import { whyNotAllowed } from '../launch/tenancy.ts';
import type { SecretError } from '../secrets/secrets.ts';
import { cut } from './cut.ts';
import type { Observation } from './observation.ts';

export type ClusterObstacle = 'UnknownCluster' | 'ClusterUnreachable' | 'Moving';

/** Why no attempt of the present spec may be submitted, although nothing is wrong with it. */
export type Obstacle = {
  readonly reason: 'NotAllowed' | 'SecretMissing' | 'SecretUnreachable' | 'SecretNotPlaced' | ClusterObstacle;
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
  seen: Pick<Observation, 'resource' | 'tenancy' | 'submitsAs' | 'secretProblems' | 'slurm' | 'whereabouts'>,
): Obstacle | undefined {
  const { resource, tenancy, submitsAs, secretProblems, whereabouts } = seen;
  const { namespace } = resource.key;
  const unknown = unknownCluster(spec, seen);
  if (unknown) return unknown;
  const rules = tenancy.get(spec.slurm.cluster ?? whereabouts.here);
  const refused = rules ? whyNotAllowed(spec, namespace, rules) : [];
  if (refused.length > 0)
    return {
      reason: 'NotAllowed',
      lasts: true,
      because: `as the operator's rules do not allow it in namespace ${namespace}`,
      until: 'the new one is allowed',
      what: cut(refused.map(problemLine).join('; '), LONGEST),
    };
  if (submitsAs.kind === 'nobody')
    return lackingSecret('as SLURM knows its namespace as nobody', submitsAs.problem, submitsAs.problem.message);
  const [lacking] = secretProblems;
  if (lacking)
    return lackingSecret(
      'without its secret, which is looked for again',
      lacking,
      `${lacking.field}: ${lacking.message}`,
    );
  return isElsewhere(spec, seen) ? silentCluster(spec, seen) : unreadableSecret(spec, seen);
}

function lackingSecret(because: string, { kind }: SecretError, what: string): Obstacle {
  return {
    reason: kind === 'missing' ? 'SecretMissing' : 'SecretUnreachable',
    lasts: kind === 'missing',
    because,
    until: 'the new one can be given what it needs',
    what,
  };
}

/** Files of secrets are the operator's own user's alone. */
function unreadableSecret(
  spec: Spec,
  { submitsAs, slurm }: Pick<Observation, 'submitsAs' | 'slurm'>,
): Obstacle | undefined {
  const [secret] = secretsOf(spec);
  if (!secret || submitsAs.kind !== 'user' || !slurm.known || submitsAs.user === slurm.value.user) return undefined;
  return {
    reason: 'SecretNotPlaced',
    lasts: true,
    because: 'as its job could not read its secret',
    until: 'the new one can be given what it needs',
    what: `${secret.field}: it is placed in a file that user ${slurm.value.user} alone can read, and the job would be ${submitsAs.user}'s; leave the field out, or let the namespace be ${slurm.value.user}`,
  };
}

type About = Pick<Observation, 'whereabouts'>;

const isElsewhere = ({ slurm: { cluster } }: Spec, { whereabouts: { here } }: About): boolean =>
  cluster !== undefined && cluster !== here;

function unknownCluster({ slurm }: Spec, { whereabouts: { clusters } }: About): Obstacle | undefined {
  const named = slurm.places
    ? slurm.places.map((place, at) => [`spec.slurm.places[${at}].cluster`, place.cluster] as const)
    : [['spec.slurm.cluster', slurm.cluster] as const];
  const unknown = named.find(([, cluster]) => cluster !== undefined && !clusters.has(cluster));
  if (!unknown) return undefined;
  const [field, cluster] = unknown;
  return {
    reason: 'UnknownCluster',
    lasts: true,
    because: 'as nobody knows where',
    until: 'the cluster is one of those the operator has',
    what: `${field}: there is no cluster ${cluster}; there ${clusters.size === 1 ? 'is' : 'are'} ${[...clusters.keys()].join(', ')}`,
  };
}

/** Nothing is ended here for a place where nothing can be begun. */
function silentCluster({ slurm: { cluster = '' } }: Spec, { whereabouts: { clusters } }: About): Obstacle | undefined {
  if (clusters.get(cluster)) return undefined;
  return {
    reason: 'ClusterUnreachable',
    lasts: false,
    because: `here, as it is to move to cluster ${cluster}`,
    until: `cluster ${cluster} answers`,
    what: `SLURM of cluster ${cluster} does not answer, it is asked again`,
  };
}
