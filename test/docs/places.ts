import path from 'node:path';
import { type Fence, ROOT } from './markdown.ts';

/**
 * Where a block of commands is run, or a file written, by the word behind its language. `embedded`, without a word: on every machine, by
 * `commands.test.ts`. `checkout` and `cluster`: in `test/live/docs.live.ts`, by a reader who installs the project and
 * has a SLURM. `kubernetes`: in `test/live/kubernetes-docs.live.ts`.
 */
export const PLACES = ['embedded', 'checkout', 'cluster', 'kubernetes'] as const;
export type Place = (typeof PLACES)[number];

/** Why a block is run nowhere, by the name in `unrun=NAME`. */
export const UNRUN: Readonly<Record<string, string>> = {
  suite: 'it runs until Ctrl-C, or is the suite that would run it',
  internet: 'gigabytes come from the internet',
  registry: 'it builds an image and pushes it to a registry',
  gone: 'it is for a SLURM that is gone for ever',
  session: "it is for a systemd session of the user's own",
  elsewhere: 'it is typed on a machine outside of the cluster',
};

export const isCommands = ({ language }: Fence): boolean => language === 'sh' || language === 'console';

/** @returns undefined for a block that is run nowhere */
export function placeOf({ words }: Fence): Place | undefined {
  if (words.some((word) => word.startsWith('unrun='))) return undefined;
  return PLACES.find((place) => words.includes(place)) ?? 'embedded';
}

/** Words of a block of commands that mean nothing to anybody. */
export function strangeWords({ words }: Fence): readonly string[] {
  const named = [...PLACES.slice(1), INSTEAD, ...Object.keys(UNRUN).map((name) => `unrun=${name}`)];
  return words.filter((word) => !named.includes(word) && !word.startsWith('given='));
}

/** The block is another way to what the block before it does: it is for another reader, on a ground of its own. */
export const isInstead = ({ words }: Fence): boolean => words.includes(INSTEAD);
const INSTEAD = 'instead';

/** A file that the document has its reader write: a block with `file=PATH` behind its language. */
export const writtenTo = ({ words }: Fence): string | undefined =>
  words.find((word) => word.startsWith('file='))?.slice('file='.length);

/** Files a reader of these commands has already: a folder of the project, `given=FOLDER` behind the language. */
export const givenTo = ({ words }: Fence): readonly string[] =>
  words.flatMap((word) => (word.startsWith('given=') ? [path.join(ROOT, word.slice('given='.length))] : []));
