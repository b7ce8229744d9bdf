/**
 * A batch script as far as an import reads it: its words, their quotes and the variables in them. Nothing is run. What
 * a script works out when it runs (command substitution, arithmetic, `${x%…}`) is kept as text that says so.
 */
export type Part =
  | { readonly kind: 'text'; readonly text: string; readonly isQuoted: boolean }
  | {
      readonly kind: 'variable';
      readonly name: string;
      /** As written. */
      readonly text: string;
      /** Of `${NAME:-…}`. */
      readonly fallback?: readonly Part[];
      /** `${NAME[@]}`: each element is a word. */
      readonly isWhole: boolean;
      readonly isQuoted: boolean;
    }
  | { readonly kind: 'worked-out'; readonly text: string };

export type Token =
  | { readonly kind: 'word'; readonly parts: readonly Part[]; readonly line: number }
  /** `NAME=( … )` or `NAME+=( … )`. */
  | { readonly kind: 'array'; readonly name: string; readonly isMore: boolean; readonly items: readonly Token[] }
  /** The end of a command. */
  | { readonly kind: 'end' };

/** @param firstLine the number of the text's first line, for a text within a script */
export function lex(text: string, firstLine = 1): readonly Token[] {
  return lexUntil({ text, at: 0, line: firstLine, heredocs: [] }, '');
}

type Cursor = { readonly text: string; at: number; line: number; heredocs: string[] };

const peek = (from: Cursor, ahead = 0): string => from.text.charAt(from.at + ahead);

function take(from: Cursor): string {
  const char = from.text.charAt(from.at++);
  if (char === '\n') from.line += 1;
  return char;
}

/** @param close `)` inside of an array, where line breaks only part words */
function lexUntil(from: Cursor, close: string): Token[] {
  const tokens: Token[] = [];
  const end = () => {
    if (close === '' && tokens.at(-1)?.kind !== 'end') tokens.push({ kind: 'end' });
  };
  while (from.at < from.text.length) {
    const char = peek(from);
    if (char === close) {
      take(from);
      return tokens;
    }
    if (char === '\n') {
      take(from);
      end();
      skipHeredocs(from);
    } else if (char === '#') skipTo(from, '\n');
    else if (char === '\\' && peek(from, 1) === '\n') take(from) && take(from);
    else if (/\s/.test(char)) take(from);
    else if (char === '<' || char === '>' || (char === '&' && peek(from, 1) === '>')) redirect(from);
    else if (/[;&|()]/.test(char)) {
      take(from);
      end();
    } else tokens.push(...word(from));
  }
  end();
  return tokens;
}

/** One word; nothing where it was the number of a redirection. */
function word(from: Cursor): Token[] {
  const line = from.line;
  const parts: Part[] = [];
  let plain = '';
  const flush = () => {
    if (plain !== '') parts.push({ kind: 'text', text: plain, isQuoted: false });
    plain = '';
  };
  while (from.at < from.text.length) {
    const char = peek(from);
    const array = char === '(' && parts.length === 0 ? /^([A-Za-z_]\w*)(\+?)=$/.exec(plain) : null;
    if (array) {
      take(from);
      return [{ kind: 'array', name: array[1] ?? '', isMore: array[2] === '+', items: lexUntil(from, ')') }];
    }
    if ((char === '<' || char === '>') && parts.length === 0 && /^\d+$/.test(plain)) return [];
    if (/[\s;&|()<>]/.test(char)) break;
    if (char === '\\') {
      take(from);
      const next = take(from);
      if (next === '\n') continue;
      flush();
      parts.push({ kind: 'text', text: next, isQuoted: true });
    } else if (char === "'") {
      take(from);
      flush();
      parts.push({ kind: 'text', text: skipTo(from, "'"), isQuoted: true });
      take(from);
    } else if (char === '"') {
      take(from);
      flush();
      parts.push(...doubleQuoted(from));
    } else if (char === '$' || char === '`') {
      flush();
      parts.push(expansion(from, false));
    } else plain += take(from);
  }
  flush();
  return [{ kind: 'word', parts, line }];
}

function doubleQuoted(from: Cursor): readonly Part[] {
  const parts: Part[] = [];
  let plain = '';
  while (from.at < from.text.length && peek(from) !== '"') {
    const char = peek(from);
    if (char === '\\' && /[$`"\\\n]/.test(peek(from, 1))) {
      take(from);
      const next = take(from);
      if (next !== '\n') plain += next;
    } else if (char === '$' || char === '`') {
      parts.push({ kind: 'text', text: plain, isQuoted: true }, expansion(from, true));
      plain = '';
    } else plain += take(from);
  }
  take(from);
  return [...parts, { kind: 'text', text: plain, isQuoted: true }];
}

function expansion(from: Cursor, isQuoted: boolean): Part {
  const start = from.at;
  const written = () => from.text.slice(start, from.at);
  const opener = take(from);
  if (opener === '`') {
    skipTo(from, '`');
    take(from);
    return { kind: 'worked-out', text: written() };
  }
  const next = peek(from);
  if (next === '(') {
    skipBalanced(from, '(', ')');
    return { kind: 'worked-out', text: written() };
  }
  if (next === '{') {
    skipBalanced(from, '{', '}');
    const inside = written().slice(2, -1);
    const [, name = '', index, fallback] = /^([A-Za-z_]\w*)(\[[@*]\])?(?::?[-=](.*))?$/s.exec(inside) ?? [];
    if (name === '') return { kind: 'worked-out', text: written() };
    return {
      kind: 'variable',
      name,
      text: written(),
      isWhole: index !== undefined,
      isQuoted,
      ...(fallback !== undefined && { fallback: fallbackParts(fallback) }),
    };
  }
  const name = /^[A-Za-z_]\w*/.exec(from.text.slice(from.at, from.at + 256))?.[0];
  if (name !== undefined) {
    from.at += name.length;
    return { kind: 'variable', name, text: written(), isWhole: false, isQuoted };
  }
  if (/[@*#?$!0-9-]/.test(next)) {
    take(from);
    return { kind: 'worked-out', text: written() };
  }
  return { kind: 'text', text: '$', isQuoted };
}

/** What stands in `${NAME:-…}` is a word itself. */
function fallbackParts(text: string): readonly Part[] {
  const from: Cursor = { text: `"${text.replaceAll('"', '')}"`, at: 1, line: 1, heredocs: [] };
  return doubleQuoted(from);
}

/** Redirections are no words: `> FILE`, `2>&1`, `<<EOF`, `<(…)`. */
function redirect(from: Cursor): void {
  let operator = '';
  while (/[<>&]/.test(peek(from)) && operator.length < 3) operator += take(from);
  if (peek(from) === '(') {
    skipBalanced(from, '(', ')');
    return;
  }
  if (operator === '<<' && peek(from) === '-') take(from);
  while (peek(from) === ' ' || peek(from) === '\t') take(from);
  if (/[\n;|)]/.test(peek(from)) || from.at >= from.text.length) return;
  const [target] = word(from);
  if (operator === '<<' && target?.kind === 'word') from.heredocs.push(target.parts.map(({ text }) => text).join(''));
}

function skipHeredocs(from: Cursor): void {
  for (const delimiter of from.heredocs) {
    while (from.at < from.text.length) {
      const line = skipTo(from, '\n');
      take(from);
      if (line.trim() === delimiter) break;
    }
  }
  from.heredocs = [];
}

/** @returns what stands before `mark`; the cursor is at it, or at the end */
function skipTo(from: Cursor, mark: string): string {
  const start = from.at;
  while (from.at < from.text.length && peek(from) !== mark) take(from);
  return from.text.slice(start, from.at);
}

function skipBalanced(from: Cursor, open: string, close: string): void {
  let depth = 0;
  while (from.at < from.text.length) {
    const char = take(from);
    if (char === '\\') take(from);
    else if ((char === "'" || char === '"') && open === '(') {
      skipTo(from, char);
      take(from);
    } else if (char === open) depth += 1;
    else if (char === close && --depth === 0) return;
  }
}
