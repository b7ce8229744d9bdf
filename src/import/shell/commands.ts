import { lex, type Part, type Token } from './lex.ts';

/** How sure a text is: `fallback` counts where nobody says another, `unknown` is known only when the script runs. */
export type Certainty = 'said' | 'fallback' | 'unknown';

export type Word = { readonly text: string; readonly line: number; readonly certainty: Certainty };

export type Command = { readonly words: readonly Word[]; readonly line: number };

export type Exported = { readonly name: string; readonly value: Word };

export type Script = {
  readonly commands: readonly Command[];
  /** What the engine inherits, in order; a name may come twice. */
  readonly exported: readonly Exported[];
};

/** Words of the shell that begin, or go on with, what may run or not. */
const OPENING = ['if', 'for', 'while', 'until', 'case', 'select', '{', 'function'];
const CLOSING = ['fi', 'done', 'esac', '}'];
const BETWEEN = ['then', 'else', 'elif', 'do', '!', 'time'];
const DECLARING = ['export', 'declare', 'typeset', 'local', 'readonly'];
const ASSIGNMENT = /^([A-Za-z_]\w*)(\+?)=(.*)$/s;

/**
 * The commands of a script, read from the first to the last, whether or not they would run.
 * @param known variables the script begins with
 */
export function readScript(text: string, known: Readonly<Record<string, string | undefined>>, firstLine = 1): Script {
  const variables = new Map<string, readonly Word[]>();
  for (const [name, value] of Object.entries(known))
    if (value !== undefined) variables.set(name, [{ text: value, line: 0, certainty: 'said' }]);
  const exported: Exported[] = [];
  const exportedNames = new Set<string>();
  const commands: Command[] = [];
  let depth = 0;

  const assign = (name: string, isMore: boolean, words: readonly Word[]) => {
    // Under a condition: what the script says if nobody else does.
    const own = words.map((word) =>
      depth > 0 && word.certainty === 'said' ? { ...word, certainty: 'fallback' as const } : word,
    );
    variables.set(name, isMore ? [...(variables.get(name) ?? []), ...own] : own);
  };
  const declare = ({ text, line, certainty }: Word, isExported: boolean): boolean => {
    const match = ASSIGNMENT.exec(text);
    if (!match) return false;
    const [, name = '', more, value = ''] = match;
    const before =
      more === '+'
        ? (variables
            .get(name)
            ?.map((word) => word.text)
            .join(' ') ?? '')
        : '';
    assign(name, false, [{ text: before + value, line, certainty }]);
    if (isExported) exportedNames.add(name);
    const [word] = variables.get(name) ?? [];
    if (word && exportedNames.has(name)) exported.push({ name, value: word });
    return true;
  };

  const run = (tokens: readonly Token[]) => {
    const words: Word[] = [];
    for (const token of tokens) {
      if (token.kind === 'array') {
        assign(
          token.name,
          token.isMore,
          token.items.flatMap((item) => (item.kind === 'word' ? expand(item, variables) : [])),
        );
      } else if (token.kind === 'word') words.push(...expand(token, variables));
    }
    while (words[0] && (BETWEEN.includes(words[0].text) || [...OPENING, ...CLOSING].includes(words[0].text))) {
      const opener = words.shift()?.text ?? '';
      if (OPENING.includes(opener)) depth += 1;
      if (CLOSING.includes(opener)) depth = Math.max(0, depth - 1);
    }
    const [first] = words;
    if (!first) return;
    if (DECLARING.includes(first.text)) {
      const isExported = first.text === 'export' || words.some(({ text }) => /^-\w*x/.test(text));
      for (const word of words.slice(1)) {
        if (declare(word, isExported) || !isExported || word.text.startsWith('-')) continue;
        exportedNames.add(word.text);
        const [value] = variables.get(word.text) ?? [{ ...word, certainty: 'unknown' as const }];
        if (value) exported.push({ name: word.text, value });
      }
      return;
    }
    const count = words.findIndex(({ text }) => !ASSIGNMENT.test(text));
    // In front of a command they are the command's alone.
    for (const word of words.slice(0, count < 0 ? words.length : count)) {
      if (count < 0) declare(word, false);
      else {
        const [, name = '', , value = ''] = ASSIGNMENT.exec(word.text) ?? [];
        exported.push({ name, value: { ...word, text: value } });
      }
    }
    if (count >= 0) commands.push({ words: words.slice(count), line: words[count]?.line ?? first.line });
  };

  let pending: Token[] = [];
  for (const token of lex(text, firstLine)) {
    if (token.kind !== 'end') pending.push(token);
    else {
      run(pending);
      pending = [];
    }
  }
  return { commands, exported };
}

/** One word may become several, or none. */
function expand(
  { parts, line }: Extract<Token, { kind: 'word' }>,
  variables: ReadonlyMap<string, readonly Word[]>,
): readonly Word[] {
  const [only] = parts;
  if (parts.every((part) => part.kind === 'variable' || part.text === '')) {
    const whole = parts.find((part) => part.kind === 'variable' && part.isWhole);
    const elements = whole?.kind === 'variable' ? variables.get(whole.name) : undefined;
    // Each was written in a line of its own.
    if (elements) return elements;
  }
  const read = withHome(parts).map((part) => partValue(part, variables));
  const text = read.map((one) => one.text).join('');
  const certainty = worst(read.map((one) => one.certainty));
  const isSplit = parts.length === 1 && only?.kind === 'variable' && !only.isQuoted && certainty !== 'unknown';
  if (!isSplit) return [{ text, line, certainty }];
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => ({ text: word, line, certainty }));
}

/** `~/x` and `NAME=~/x`; of another user's home nothing is known. */
function withHome([first, ...rest]: readonly Part[]): readonly Part[] {
  if (first === undefined) return [];
  const match = first.kind === 'text' && !first.isQuoted ? /^(\w+=)?~(\/.*)?$/s.exec(first.text) : null;
  if (!match) return [first, ...rest];
  const text = (piece: string | undefined): Part => ({ kind: 'text', text: piece ?? '', isQuoted: false });
  const home: Part = { kind: 'variable', name: 'HOME', text: '~', isWhole: false, isQuoted: true };
  return [text(match[1]), home, text(match[2]), ...rest];
}

function partValue(part: Part, variables: ReadonlyMap<string, readonly Word[]>): Pick<Word, 'text' | 'certainty'> {
  if (part.kind === 'text') return { text: part.text, certainty: 'said' };
  if (part.kind === 'worked-out') return { text: part.text, certainty: 'unknown' };
  const known = variables.get(part.name);
  if (known)
    return { text: known.map(({ text }) => text).join(' '), certainty: worst(known.map((one) => one.certainty)) };
  if (!part.fallback) return { text: part.text, certainty: 'unknown' };
  const inner = part.fallback.map((one) => partValue(one, variables));
  const certainty = worst(inner.map((one) => one.certainty));
  return { text: inner.map(({ text }) => text).join(''), certainty: certainty === 'said' ? 'fallback' : certainty };
}

function worst(all: readonly Certainty[]): Certainty {
  if (all.includes('unknown')) return 'unknown';
  return all.includes('fallback') ? 'fallback' : 'said';
}
