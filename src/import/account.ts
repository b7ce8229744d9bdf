import { type Placed, pathText } from './assemble.ts';
import { type Left, left, type Place, placeText, type Setting } from './finding.ts';
import type { Agreeing } from './merge.ts';

/** A setting, and where it is now: `deployments/qwen.yaml: spec.engine.maxNumSeqs`. */
export type Carried = Setting & { readonly to: readonly string[] };

/** What went into one file. */
export type Written = { readonly path: string; readonly placed: readonly Placed[] };

/** Each setting that is carried, once, with all its places. */
export function carriedBy(files: readonly Written[]): readonly Carried[] {
  const all = files.flatMap(({ path, placed }) =>
    placed.map((one) => ({ setting: one.claim.setting, to: `${path}: ${fieldOf(one)}` })),
  );
  return [...Map.groupBy(all, ({ setting }) => settingKey(setting)).values()].flatMap((same) => {
    const [first] = same;
    return first ? [{ ...first.setting, to: [...new Set(same.map(({ to }) => to))] }] : [];
  });
}

/**
 * Whoever says the same as a winner is where the winner is; where that was refused, so is he.
 * @param refused what was left out, winners among it that were refused
 */
export function besideWinners(
  agreeing: readonly Agreeing[],
  placed: readonly Placed[],
  refused: readonly Left[],
): { readonly placed: readonly Placed[]; readonly left: readonly Left[] } {
  return {
    placed: agreeing.flatMap(({ claim, winner }) =>
      placed.filter((one) => one.claim === winner).map(({ path }) => ({ path, claim })),
    ),
    left: agreeing.flatMap(({ claim, winner }) =>
      refused.filter(({ setting }) => setting === winner.setting).map(({ why }) => left(claim.setting, why)),
    ),
  };
}

export const settingKey = ({ key, place }: Setting): string => `${placeText(place)} ${key}`;

/** Arguments of a list are told as the list. */
const fieldOf = ({ path }: Placed): string => pathText(path.filter((part) => typeof part !== 'number'));

/** Two places are one when they are told in the same words. */
export const byWords = ({
  message,
  ...where
}: {
  readonly message: string;
  readonly places?: readonly Place[];
  readonly place?: Place;
}): string => JSON.stringify([message, where.places ?? where.place]);
