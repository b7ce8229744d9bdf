import {
  type Authority,
  type Claim,
  type FieldValue,
  type Left,
  left,
  placeText,
  type Warning,
  warning,
} from './finding.ts';

/** Who counts, weakest first. What the script says literally is what ran, whatever the config says. */
const USUAL: readonly Authority[] = ['fallback', 'default', 'model', 'script'];
/** `run.sh` hands these to sbatch from the config, and there they beat the script's own `#SBATCH` lines. */
const SUBMITTED: readonly Authority[] = ['fallback', 'script', 'default', 'model'];
const SUBMITTED_FIELDS = ['spec.slurm.partitions', 'spec.slurm.account', 'spec.slurm.qos', 'spec.slurm.time'];

/** Every saying counts in these. */
const UNITED_FIELDS = ['spec.model.names', 'spec.runtime.modules'];

/** Two fields that say the same thing in two ways, of which a spec may have one. */
const RIVALS: Readonly<Record<string, string>> = { 'spec.resources.memoryPerGpu': 'spec.resources.memory' };

export type Agreeing = { readonly claim: Claim; readonly winner: Claim };

export type Merged = {
  /** At most one a field, and no two rivals; of united fields all of them, strongest first. */
  readonly winners: readonly Claim[];
  /** Say the same as a winner. */
  readonly agreeing: readonly Agreeing[];
  readonly left: readonly Left[];
  readonly warnings: readonly Warning[];
};

/** Decides between those that claim one field. */
export function merge(claims: readonly Claim[]): Merged {
  const groups = Map.groupBy(claims, ({ field }) => RIVALS[field] ?? field);
  return [...groups.values()].map(decide).reduce<Merged>(
    (all, one) => ({
      winners: [...all.winners, ...one.winners],
      agreeing: [...all.agreeing, ...one.agreeing],
      left: [...all.left, ...one.left],
      warnings: [...all.warnings, ...one.warnings],
    }),
    { winners: [], agreeing: [], left: [], warnings: [] },
  );
}

function decide(claims: readonly Claim[]): Merged {
  const field = claims[0]?.field ?? '';
  const order = SUBMITTED_FIELDS.includes(field) ? SUBMITTED : USUAL;
  // Among equals the later one counts, as in a shell.
  const ranked = claims
    .map((claim, at) => ({ claim, rank: order.indexOf(claim.authority), at }))
    .sort((a, b) => b.rank - a.rank || b.at - a.at)
    .map(({ claim }) => claim);
  const [winner, ...losers] = ranked;
  if (!winner) return { winners: [], agreeing: [], left: [], warnings: [] };
  if (UNITED_FIELDS.includes(field)) return { winners: ranked, agreeing: [], left: [], warnings: [] };
  const [agreeing, beaten] = partition(
    losers,
    (loser) => loser.field === winner.field && isSame(loser.value, winner.value),
  );
  return {
    winners: [winner],
    agreeing: agreeing.map((claim) => ({ claim, winner })),
    left: beaten.map(({ setting }) =>
      left(setting, `${winner.setting.key} (${placeText(winner.setting.place)}) counts`),
    ),
    warnings: beaten.filter((loser) => isContradiction(winner, loser)).map((loser) => contradiction(winner, loser)),
  };
}

/** A model's own word against the section for all is no contradiction, nor is whatever beats a fallback. */
function isContradiction(winner: Claim, loser: Claim): boolean {
  if (loser.yields || loser.authority === 'fallback') return false;
  return !(loser.authority === 'default' && winner.authority === 'model');
}

function contradiction(winner: Claim, loser: Claim): Warning {
  const why = whyItCounts(winner.authority, loser.authority);
  return warning(
    `${winner.setting.key} is ${shown(winner.value)} and ${loser.setting.key} is ${shown(loser.value)}: ${why}`,
    winner.setting.place,
    loser.setting.place,
  );
}

function whyItCounts(winner: Authority, loser: Authority): string {
  if (winner === loser) return 'the later one counts';
  if (winner === 'script') return 'the script counts, as it is what ran';
  return 'the config counts, as it was handed to sbatch, where it beats the script';
}

const isSame = (a: FieldValue, b: FieldValue): boolean => JSON.stringify(a) === JSON.stringify(b);

const shown = (value: FieldValue): string => (typeof value === 'object' ? value.join(' ') : String(value));

function partition<T>(all: readonly T[], is: (one: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [all.filter(is), all.filter((one) => !is(one))];
}
