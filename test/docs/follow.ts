import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { dialogueOf, type Fence } from './markdown.ts';
import { givenTo, isCommands, type Place, placeOf, writtenTo } from './places.ts';
import type { Scratch } from './scratch.ts';

/** How it went with somebody who followed a document. */
export type Followed = {
  readonly code: number | null;
  /** Heads of tables that the document shows and the command did not print. */
  readonly told: readonly string[];
  /** Everything on stdout and stderr, and where it failed. */
  readonly said: string;
};

/**
 * Follows a document from its beginning to its end: writes the files it has its reader write, and types the commands.
 * @param places blocks of other places are not for this reader
 */
export async function follow(
  fences: readonly Fence[],
  places: readonly Place[],
  here: Pick<Scratch, 'run'>,
): Promise<Followed> {
  const outputs = mkdtempSync(path.join(os.tmpdir(), 'outputs-'));
  const own = fences.filter((fence) => places.some((place) => place === placeOf(fence)));
  try {
    const { code, said } = await here.run(scriptOf(own, outputs));
    return { code, said, told: code === 0 ? toldBy(own.filter(isCommands), outputs) : [] };
  } finally {
    rmSync(outputs, { recursive: true });
  }
}

/** One shell for the whole document, so that what a block exports is there in the next. */
function scriptOf(fences: readonly Fence[], outputs: string): string {
  const lines = ['set -eu', 'at=', `trap 'echo "$at" >&2' ERR`];
  for (const fence of fences) {
    const target = writtenTo(fence);
    if (target !== undefined)
      lines.push(`mkdir -p "$(dirname ${target})"`, `cat >${target} <<'END OF BLOCK'`, `${fence.text}END OF BLOCK`);
    if (!isCommands(fence)) continue;
    lines.push(...givenTo(fence).map((folder) => `cp -r '${folder}/.' .`));
    for (const { line, command, prints } of dialogueOf(fence)) {
      lines.push(`at='${fence.file}:${line} failed'`);
      lines.push(prints.length === 0 ? command : `{ ${command}\n} >'${path.join(outputs, String(line))}'`);
      // A list that broke off at its first `&&` does not end the shell by itself.
      lines.push('[ $? = 0 ] || { echo "$at" >&2; exit 1; }');
    }
  }
  return `${lines.join('\n')}\n`;
}

function toldBy(fences: readonly Fence[], outputs: string): readonly string[] {
  return fences.flatMap((fence) =>
    dialogueOf(fence).flatMap(({ line, prints: [head] }) => {
      if (head === undefined) return [];
      const printed = readFileSync(path.join(outputs, String(line)), 'utf8')
        .split('\n')
        .map(squeezed);
      return printed.includes(squeezed(head)) ? [] : [`${fence.file}:${line}: not printed: ${head}`];
    }),
  );
}

const squeezed = (line: string): string => line.replaceAll(/\s+/g, ' ').trim();
