import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What people read to use the program; paths from the root of the project. */
export const DOCUMENTS: readonly string[] = ['README.md', ...globSync('docs/**/*.md', { cwd: ROOT })].sort();

export type Fence = {
  readonly file: string;
  /** Of its first line of text, from 1. */
  readonly line: number;
  readonly language: string;
  /** What stands behind the language: no renderer shows it. */
  readonly words: readonly string[];
  readonly text: string;
};

export function fencesOf(file: string): readonly Fence[] {
  const fences: Fence[] = [];
  const lines = readDocument(file).split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const opening = /^ *```(.*)$/.exec(lines[at] ?? '')?.[1];
    if (opening === undefined) continue;
    const [language = '', ...words] = opening.trim().split(/ +/);
    const first = at + 1;
    at += 1;
    while (at < lines.length && !/^ *```\s*$/.test(lines[at] ?? '')) at += 1;
    if (at === lines.length) throw new Error(`${file}:${first}: the block has no end`);
    fences.push({ file, line: first + 1, language, words, text: `${lines.slice(first, at).join('\n')}\n` });
  }
  return fences;
}

export function readDocument(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

/** Commands of a block and what each is said to print: in a `console` block they follow `$ `. */
export function dialogueOf({ language, line, text }: Fence): readonly Exchange[] {
  if (language !== 'console') return [{ line, command: text, prints: [] }];
  const exchanges: { line: number; command: string; prints: string[] }[] = [];
  for (const [offset, said] of text.trimEnd().split('\n').entries()) {
    if (said.startsWith('$ ')) exchanges.push({ line: line + offset, command: `${said.slice(2)}\n`, prints: [] });
    else exchanges.at(-1)?.prints.push(said);
  }
  return exchanges;
}

export type Exchange = { readonly line: number; readonly command: string; readonly prints: readonly string[] };
