import { err, ok, type Result } from '../result.ts';

/**
 * The options in the `#SBATCH` lines of a script, by their long names; of one written twice the later counts.
 * @returns or sbatch's own words about the line it refuses
 */
export function readDirectiveLines(script: string): Result<ReadonlyMap<string, string>, string> {
  if (!script.startsWith('#!')) return err(NO_INTERPRETER);
  const values = new Map<string, string>();
  for (const { option } of directiveOptions(script)) {
    if (!option.ok) return option;
    values.set(option.value.name, option.value.value);
  }
  return ok(values);
}

/** One option of an `#SBATCH` line, by its long name; '' for one without a value. Or sbatch's own words about it. */
export type DirectiveOption = {
  /** Counted from 1. */
  readonly line: number;
  readonly option: Result<{ readonly name: string; readonly value: string }, string>;
};

/** Every option in the `#SBATCH` lines of a script, in order; what sbatch refuses ends its own line alone. */
export function directiveOptions(script: string): readonly DirectiveOption[] {
  return [...directiveLines(script)].flatMap(({ text, line }) => readLine(text).map((option) => ({ line, option })));
}

const NO_INTERPRETER =
  'This does not look like a batch script.  The first line must start with #! followed by the path to an interpreter.';

/** Whether an option stands alone, with a value, or with one only behind a `=`. Source: sbatch(1) of 22.05 to 26.05. */
const VALUED = `account acctg-freq array batch bb bbf begin chdir cluster-constraint clusters comment constraint
  container container-id core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency
  distribution error exclude export export-file extra extra-node-info gid gpu-bind gpu-freq gpus gpus-per-node
  gpus-per-socket gpus-per-task gres gres-flags hint input job-name kill-on-invalid-dep licenses mail-type mail-user
  mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus network nodefile nodelist nodes ntasks ntasks-per-core
  ntasks-per-gpu ntasks-per-node ntasks-per-socket open-mode output partition power prefer priority profile qos
  reservation segment signal sockets-per-node stepmgr switches thread-spec threads-per-core time time-min tmp
  tres-bind tres-per-task uid wait-all-nodes wckey wrap`;
const BARE = `contiguous hold ignore-pbs no-requeue overcommit oversubscribe parsable quiet reboot requeue spread-job
  test-only use-min-nodes verbose wait`;
const OPTIONALLY_VALUED = 'exclusive get-user-env nice no-kill oom-kill-step propagate resv-ports';

type Kind = 'valued' | 'bare' | 'optional';
const KINDS: ReadonlyMap<string, Kind> = new Map([
  ...words(VALUED, 'valued'),
  ...words(BARE, 'bare'),
  ...words(OPTIONALLY_VALUED, 'optional'),
]);
const LONG_NAMES: Readonly<Record<string, string>> = {
  A: 'account',
  B: 'extra-node-info',
  C: 'constraint',
  D: 'chdir',
  F: 'nodefile',
  G: 'gpus',
  H: 'hold',
  J: 'job-name',
  L: 'licenses',
  M: 'clusters',
  N: 'nodes',
  O: 'overcommit',
  Q: 'quiet',
  S: 'core-spec',
  W: 'wait',
  a: 'array',
  b: 'begin',
  c: 'cpus-per-task',
  d: 'dependency',
  e: 'error',
  i: 'input',
  k: 'no-kill',
  m: 'distribution',
  n: 'ntasks',
  o: 'output',
  p: 'partition',
  q: 'qos',
  s: 'oversubscribe',
  t: 'time',
  v: 'verbose',
  w: 'nodelist',
  x: 'exclude',
};

function words(text: string, kind: Kind): readonly (readonly [string, Kind])[] {
  return text.split(/\s+/).map((word) => [word, kind] as const);
}

/** Text behind `#SBATCH` of each line before the first command; the rest of the script is never looked at. */
function* directiveLines(script: string): Generator<{ readonly text: string; readonly line: number }> {
  let number = 0;
  for (let from = 0; from < script.length; ) {
    const end = script.indexOf('\n', from);
    const line = script.slice(from, end < 0 ? undefined : end);
    from = end < 0 ? script.length : end + 1;
    number += 1;
    if (line.startsWith('#SBATCH')) yield { text: line.slice('#SBATCH'.length), line: number };
    else if (line.trim() !== '' && !line.startsWith('#')) return;
  }
}

function readLine(line: string): readonly DirectiveOption['option'][] {
  const found: DirectiveOption['option'][] = [];
  const rest = splitWords(line);
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const match = /^(?:--([a-z][a-z-]*)(?:=(.*))?|-([A-Za-z])(.*))$/s.exec(word);
    const [, long, inline, short, attached] = match ?? [];
    const name = long ?? LONG_NAMES[short ?? ''];
    const kind = name === undefined ? undefined : KINDS.get(name);
    if (name === undefined || kind === undefined) return [...found, err(`unrecognized option '${word}'`)];
    const value = inline ?? (attached || (kind === 'valued' ? rest.shift() : ''));
    if (value === undefined) return [...found, err(`option '--${name}' requires an argument`)];
    found.push(ok({ name, value }));
  }
  return found;
}

/** As sbatch does: both kinds of quotes, a backslash takes the next character as it is, `#` begins a remark. */
function splitWords(line: string): string[] {
  const found: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < line.length; at++) {
    const char = line.charAt(at);
    if (char === '\\' && at + 1 < line.length) word = (word ?? '') + line.charAt(++at);
    else if (quote !== '' && char === quote) quote = '';
    else if (quote !== '') word = (word ?? '') + char;
    else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else if (char === '#' && word === undefined) return found;
    else word = (word ?? '') + char;
  }
  if (word !== undefined) found.push(word);
  return found;
}
