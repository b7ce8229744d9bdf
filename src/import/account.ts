import { type Placed, pathText } from './assemble.ts';
import { type Claim, type Place, placeText, type Setting } from './finding.ts';

/** A setting, and where it is now: `deployments/qwen.yaml: spec.engine.maxNumSeqs`. */
export type Carried = Setting & { readonly to: readonly string[] };

/** What went into one file: in its place, or by somebody who said the same. */
export type Written = {
  readonly path: string;
  readonly placed: readonly Placed[];
  readonly agreeing: readonly Claim[];
};

/** Each setting that is carried, once, with all its places. */
export function carriedBy(files: readonly Written[]): readonly Carried[] {
  const all = files.flatMap(({ path, placed, agreeing }) => [
    ...placed.map((one) => ({ setting: one.claim.setting, to: `${path}: ${fieldOf(one)}` })),
    ...agreeing.map(({ setting, field }) => ({ setting, to: `${path}: ${field}` })),
  ]);
  return [...Map.groupBy(all, ({ setting }) => settingKey(setting)).values()].flatMap((same) => {
    const [first] = same;
    return first ? [{ ...first.setting, to: [...new Set(same.map(({ to }) => to))] }] : [];
  });
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
