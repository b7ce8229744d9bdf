import { keyText } from '../api/key.ts';
import type { Site } from '../launch/site.ts';
import type { Facts, Wish } from './facts.ts';

/** As people call it. */
export function nameOf({ key }: Wish): string {
  return key ? keyText(key) : 'the settings';
}

/** What its jobs ask SLURM for: the spec's word, else the site's. */
export function placementOf({ spec }: Wish, { defaults }: Pick<Site, 'defaults'>) {
  const { slurm } = spec;
  return {
    account: slurm.account ?? defaults.account,
    qos: slurm.qos ?? defaults.qos,
    time: slurm.time ?? defaults.time,
    partitions: slurm.partitions.length > 0 ? slurm.partitions : defaults.partitions,
  };
}

/** Where each of two wishes is the same, what is found of them is the same: said once, for all of them. */
export function eachWish<T>(facts: Facts, look: (wish: Wish) => readonly T[], said: (thing: T) => string) {
  const found = new Map<string, { readonly thing: T; readonly names: string[] }>();
  for (const wish of facts.wishes)
    for (const thing of look(wish)) {
      const text = said(thing);
      const before = found.get(text);
      if (before) before.names.push(nameOf(wish));
      else found.set(text, { thing, names: [nameOf(wish)] });
    }
  return [...found.values()];
}
