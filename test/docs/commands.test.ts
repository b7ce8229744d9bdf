import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { DOCUMENTS, dialogueOf, type Fence, fencesOf, ROOT } from './markdown.ts';
import { scratch } from './scratch.ts';

/** A file that the document has its reader write: a block with `file=PATH` behind its language. */
const writtenTo = ({ words }: Fence): string | undefined =>
  words.find((word) => word.startsWith('file='))?.slice('file='.length);
const isRunHere = ({ language, words }: Fence): boolean =>
  (language === 'sh' || language === 'console') && words.every((word) => word.startsWith('given='));
/** Files a reader of these commands has already: a folder of the project, `given=FOLDER` behind the language. */
const givenTo = ({ words }: Fence): readonly string[] =>
  words.flatMap((word) => (word.startsWith('given=') ? [path.join(ROOT, word.slice('given='.length))] : []));

describe('the commands of the documents, in order, on the embedded cluster', { concurrency: 4 }, () => {
  for (const file of DOCUMENTS) {
    const fences = fencesOf(file);
    if (!fences.some(isRunHere)) continue;
    it(file, async () => {
      await using here = scratch();
      const outputs = mkdtempSync(path.join(os.tmpdir(), 'outputs-'));
      const ran = await here.run(scriptOf(fences, outputs));
      const told = toldBy(fences, outputs);
      rmSync(outputs, { recursive: true });
      assert.deepEqual({ code: ran.code, told }, { code: 0, told: [] }, ran.said);
    });
  }
});

/** One shell for the whole document, so that what a block exports is there in the next. */
function scriptOf(fences: readonly Fence[], outputs: string): string {
  const lines = ['set -eu', 'at=', `trap 'echo "$at" >&2' ERR`];
  for (const fence of fences) {
    const target = writtenTo(fence);
    if (target !== undefined)
      lines.push(`mkdir -p "$(dirname ${target})"`, `cat >${target} <<'END OF BLOCK'`, `${fence.text}END OF BLOCK`);
    if (!isRunHere(fence)) continue;
    lines.push(...givenTo(fence).map((folder) => `cp -r '${folder}/.' .`));
    for (const { line, command, prints } of dialogueOf(fence)) {
      lines.push(`at='${fence.file}:${line} failed'`);
      lines.push(prints.length === 0 ? command : `{ ${command}\n} >'${path.join(outputs, String(line))}'`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Heads of tables that the document shows and the command does not print. */
function toldBy(fences: readonly Fence[], outputs: string): readonly string[] {
  return fences.filter(isRunHere).flatMap((fence) =>
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
