import { didYouMean } from '../nearest.ts';
import type { Association, Qos } from '../slurm/association.ts';
import { parseSlurmTime } from '../slurm/duration.ts';
import type { Check } from './checks.ts';
import type { Facts, Wish } from './facts.ts';
import { error, type Finding, warning } from './finding.ts';
import { eachWish, placementOf } from './wish.ts';

/** Nothing is asked where accounting enforces nothing: any account is as good as any other then. */
export const checkAccounts: Check = (facts) => {
  const { configuration, associations, qos, user } = facts;
  if (!configuration?.ok || configuration.value.enforced.length === 0) return undefined;
  if (!associations || !qos || !user?.ok) return undefined;
  if (!associations.ok || !qos.ok) {
    const why = [associations, qos].flatMap((answer) => (answer.ok ? [] : [answer.error]))[0];
    return [
      warning(
        `accounting does not answer: ${why}`,
        'accounts and limits are enforced, and cannot be looked at',
        'try again when slurmdbd is back',
      ),
    ];
  }
  if (associations.value.length === 0)
    return [
      error(
        `user ${user.value} is in no account`,
        'SLURM refuses every job',
        'ask the administrators for an association (sacctmgr add user)',
      ),
    ];
  const known = { associations: associations.value, qos: qos.value, enforced: configuration.value.enforced };
  const single = eachWish(facts, (wish) => ofWish(wish, facts, known), JSON.stringify);
  return [
    ...single.map(({ thing, names }) => ({ ...thing, found: `${names.join(', ')}: ${thing.found}` })),
    ...ofAll(facts, known),
  ];
};

type Known = {
  readonly associations: readonly Association[];
  readonly qos: readonly Qos[];
  readonly enforced: readonly string[];
};

function ofWish(wish: Wish, { site, user }: Facts, known: Known): readonly Finding[] {
  const { account, qos, time } = placementOf(wish, site);
  const all = [...new Set(known.associations.map((one) => one.account))];
  const own = accountOf(wish, site, known);
  if (own.length === 0)
    return [
      error(
        account === undefined
          ? 'no account is named, and the user has no default'
          : `${user?.ok ? user.value : 'the user'} is not in account ${account}`,
        'SLURM refuses the job',
        `${didYouMean(account ?? '', all).trim()} Set slurm.account to one of: ${all.join(', ')}`.trim(),
      ),
    ];
  if (!known.enforced.includes('qos') && !known.enforced.includes('limits')) return [];
  const allowed = [...new Set(own.flatMap((one) => one.qos))];
  if (qos !== undefined && !allowed.includes(qos))
    return [
      error(
        `QOS ${qos} is not open to account ${own[0]?.account}`,
        'SLURM refuses the job',
        `${didYouMean(qos, allowed).trim()} Set slurm.qos to one of: ${allowed.join(', ')}`.trim(),
      ),
    ];
  return tooLong(time, qosOf(qos, known), own);
}

function tooLong(time: string | undefined, qos: Qos | undefined, own: readonly Association[]): readonly Finding[] {
  const seconds = time === undefined ? undefined : parseSlurmTime(time);
  const most = Math.min(
    qos?.maxWallSeconds ?? Number.POSITIVE_INFINITY,
    Math.max(...own.map((one) => one.maxWallSeconds)),
  );
  if (seconds === undefined || seconds <= most) return [];
  return [
    error(
      `a walltime of ${time} is more than ${qos?.name ?? 'the account'} allows (${Math.floor(most / 60)} minutes)`,
      'the job waits for ever, or is refused',
      'set slurm.time to less: the operator submits anew when it is used up',
    ),
  ];
}

/** Replicas of all deployments together, against how many jobs a user may have in the queue. */
function ofAll({ wishes, site }: Facts, known: Known): readonly Finding[] {
  const byQos = Map.groupBy(wishes, (wish) => placementOf(wish, site).qos ?? '');
  return [...byQos].flatMap(([name, group]) => {
    const qos = qosOf(name === '' ? undefined : name, known);
    const most = qos?.maxSubmitJobsPerUser ?? Number.POSITIVE_INFINITY;
    const wanted = group.reduce((sum, { spec }) => sum + (spec.suspend ? 0 : spec.replicas), 0);
    if (wanted <= most) return [];
    return [
      warning(
        `${wanted} replicas are wanted under QOS ${name}, which lets a user have ${most} jobs`,
        'the others wait to be submitted',
        'set replicas to less, or another slurm.qos',
      ),
    ];
  });
}

function accountOf(wish: Wish, site: Facts['site'], { associations }: Known): readonly Association[] {
  const { account } = placementOf(wish, site);
  return associations.filter((one) => (account === undefined ? one.isDefault : one.account === account));
}

function qosOf(name: string | undefined, { qos }: Known): Qos | undefined {
  return qos.find((one) => one.name === name);
}
