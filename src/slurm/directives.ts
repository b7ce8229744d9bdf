import { err, ok, type Result } from '../result.ts';
import { parseSlurmTime } from './duration.ts';
import { expandNodeList } from './node-list.ts';
import type { JobRequest } from './scheduler.ts';

/**
 * The `#SBATCH` lines of a batch script, read as sbatch reads them: for the clusters that have no sbatch.
 * Options that mean nothing there (account, QOS, …) are accepted and passed over. Source: sbatch(1).
 */
export type Directives = {
  readonly jobName?: string;
  readonly comment: string;
  /** Pattern: `%j` is the id, `%x` the name. */
  readonly output?: string;
  readonly appendOutput: boolean;
  readonly request: JobRequest;
  /** Sent to the batch shell this long before the time limit. */
  readonly warning?: Warning;
};
export type Warning = {
  /** Without `SIG`: `USR1`. */
  readonly signal: string;
  readonly beforeSeconds: number;
};

/** @returns or sbatch's own words about the line it refuses. */
export function readDirectives(script: string): Result<Directives, string> {
  if (!script.startsWith('#!')) return err(NO_INTERPRETER);
  const values = new Map<string, string>();
  for (const line of directiveLines(script)) {
    const problem = readLine(line, values);
    if (problem !== undefined) return err(problem);
  }
  return assemble(values);
}

const NO_INTERPRETER =
  'This does not look like a batch script.  The first line must start with #! followed by the path to an interpreter.';

type Option = {
  readonly short?: string;
  /** Stands alone, without a value. */
  readonly bare?: true;
};

/** Options sbatch knows and this project or its users may write; anything else is a mistake worth telling. */
const OPTIONS: Readonly<Record<string, Option>> = {
  account: { short: 'A' },
  begin: { short: 'b' },
  chdir: { short: 'D' },
  comment: {},
  constraint: { short: 'C' },
  'cpus-per-gpu': {},
  'cpus-per-task': { short: 'c' },
  dependency: { short: 'd' },
  error: { short: 'e' },
  exclude: { short: 'x' },
  exclusive: { bare: true },
  export: {},
  gpus: { short: 'G' },
  'gpus-per-node': {},
  'gpus-per-task': {},
  gres: {},
  hint: {},
  hold: { short: 'H', bare: true },
  'job-name': { short: 'J' },
  licenses: { short: 'L' },
  mem: {},
  'mem-per-cpu': {},
  'mem-per-gpu': {},
  nice: {},
  'no-requeue': { bare: true },
  nodelist: { short: 'w' },
  nodes: { short: 'N' },
  ntasks: { short: 'n' },
  'ntasks-per-node': {},
  'open-mode': {},
  output: { short: 'o' },
  overcommit: { short: 'O', bare: true },
  partition: { short: 'p' },
  priority: {},
  qos: { short: 'q' },
  requeue: { bare: true },
  reservation: {},
  signal: {},
  switches: {},
  'threads-per-core': {},
  time: { short: 't' },
  tmp: {},
  wckey: {},
};
const BY_SHORT = new Map(Object.entries(OPTIONS).flatMap(([name, { short }]) => (short ? [[short, name]] : [])));

/** Text behind `#SBATCH` of each line before the first command; the rest of the script is never looked at. */
function* directiveLines(script: string): Generator<string> {
  for (let from = 0; from < script.length; ) {
    const end = script.indexOf('\n', from);
    const line = script.slice(from, end < 0 ? undefined : end);
    from = end < 0 ? script.length : end + 1;
    if (line.startsWith('#SBATCH')) yield line.slice('#SBATCH'.length);
    else if (line.trim() !== '' && !line.startsWith('#')) return;
  }
}

/** @returns sbatch's complaint, undefined when all is well */
function readLine(line: string, values: Map<string, string>): string | undefined {
  const words = splitWords(line);
  while (words.length > 0) {
    const word = words.shift() as string;
    const match = /^(?:--([a-z][a-z-]*)(?:=(.*))?|-([A-Za-z])(.*))$/s.exec(word);
    const [, long, inline, short, attached] = match ?? [];
    const name = long ?? BY_SHORT.get(short ?? '');
    const option = name === undefined ? undefined : OPTIONS[name];
    if (name === undefined || !option) return `unrecognized option '${word}'`;
    const value = option.bare ? '' : (inline ?? (attached || words.shift()));
    if (value === undefined) return `option '--${name}' requires an argument`;
    values.set(name, value);
  }
  return undefined;
}

/** As sbatch's `get_argument`: both kinds of quotes, a backslash takes the next character as it is, `#` begins a remark. */
function splitWords(line: string): string[] {
  const words: string[] = [];
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
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === '#' && word === undefined) return words;
    else word = (word ?? '') + char;
  }
  if (word !== undefined) words.push(word);
  return words;
}

function assemble(values: ReadonlyMap<string, string>): Result<Directives, string> {
  const time = values.get('time');
  const timeLimitSeconds = time === undefined ? Number.POSITIVE_INFINITY : parseSlurmTime(time);
  if (timeLimitSeconds === undefined) return err('Invalid --time specification');
  const nodes = count(values.get('nodes') ?? '1');
  if (nodes === undefined) return err(`Invalid node count: ${values.get('nodes')}`);
  const cpusPerTask = count(values.get('cpus-per-task') ?? '1');
  const tasksPerNode = count(values.get('ntasks-per-node') ?? '1');
  if (cpusPerTask === undefined || tasksPerNode === undefined) return err('Invalid numeric value for a CPU count');
  const gpusPerNode = readGpus(values, nodes);
  if (gpusPerNode === undefined) return err('Invalid generic resource (gres) specification');
  const exclude = nodeNames(values.get('exclude'));
  const nodelist = nodeNames(values.get('nodelist'));
  if (!exclude || !nodelist) return err('Invalid node name specified');
  const warning = readWarning(values.get('signal'));
  const jobName = values.get('job-name');
  const output = values.get('output');
  return ok({
    ...(jobName !== undefined && { jobName }),
    ...(output !== undefined && { output }),
    ...(warning && { warning }),
    comment: values.get('comment') ?? '',
    appendOutput: values.get('open-mode') === 'append',
    request: {
      nodes,
      cpusPerNode: cpusPerTask * tasksPerNode,
      gpusPerNode,
      timeLimitSeconds: timeLimitSeconds === 0 ? Number.POSITIVE_INFINITY : timeLimitSeconds,
      partitions: values.get('partition')?.split(',') ?? [],
      exclude,
      nodelist,
      singleton: values.get('dependency')?.split(',').includes('singleton') ?? false,
    },
  });
}

function count(text: string): number | undefined {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}

/** `gpu`, `gpu:4`, `gpu:h100:4` among other kinds, which no node here has; `--gpus` counts for the whole job. */
function readGpus(values: ReadonlyMap<string, string>, nodes: number): number | undefined {
  const perNode =
    values.get('gres') ?? (values.has('gpus-per-node') ? `gpu:${values.get('gpus-per-node')}` : undefined);
  const perJob = values.get('gpus');
  if (perNode !== undefined) {
    const kinds = perNode.split(',').map((kind) => /^(?:gres[:/])?gpu(?::[A-Za-z]\w*)?(?::(\d{1,4}))?$/.exec(kind));
    return kinds.some((kind) => !kind) ? undefined : kinds.reduce((sum, kind) => sum + Number(kind?.[1] ?? 1), 0);
  }
  if (perJob === undefined) return 0;
  const total = /^(?:[A-Za-z]\w*:)?(\d{1,4})$/.exec(perJob)?.[1];
  return total === undefined ? undefined : Math.ceil(Number(total) / nodes);
}

function nodeNames(text: string | undefined): readonly string[] | undefined {
  return text === undefined || text === '' ? [] : expandNodeList(text);
}

/** `B:USR1@120`; 60 seconds when it does not say. Without the `B` it is for the steps, not for the script. */
function readWarning(text: string | undefined): Warning | undefined {
  const match = /^R?BR?:(?:SIG)?([A-Z0-9]+)(?:@(\d{1,5}))?$/.exec(text ?? '');
  return match ? { signal: match[1] as string, beforeSeconds: Number(match[2] ?? 60) } : undefined;
}
