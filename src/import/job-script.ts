import path from 'node:path';
import { directiveOptions } from '../slurm/directive-lines.ts';
import { type Authority, type Finding, left, type Setting, warning } from './finding.ts';
import { gpuFindings, gpusOverNodes, gresFindings, readGpuCount } from './gpus.ts';
import { type Command, readScript, type Word } from './shell/commands.ts';
import { claimOf, flagFindings, flagName, kindOfFlag, optionFindings, variableFindings } from './targets.ts';
import { expand, type ShellVariables } from './values.ts';

export type JobScript = {
  readonly findings: readonly Finding[];
  /** Options of vLLM it gives, by name; undefined where not all of them can be known. */
  readonly flags: ReadonlySet<string> | undefined;
  /** Where vLLM is started; undefined where it is not. */
  readonly servesAt: number | undefined;
};

/** What a batch script says: its `#SBATCH` lines, what it exports and loads, and the flags it starts vLLM with. */
export function readJobScript(file: string, text: string, shell: ShellVariables): JobScript {
  const script = readScript(text, shell);
  const serving = script.commands.flatMap((command) => servingIn(command, shell));
  const [first, ...others] = serving;
  const at = (key: string, line: number): Setting => ({ key, place: { file, line } });
  const findings = [
    ...directiveFindings(file, text, shell),
    ...script.commands.flatMap((command) => environmentFindings(command, at)),
    ...[...script.exported, ...(first?.environment ?? [])].flatMap(({ name, value }) =>
      wordFindings(at(`export ${name}`, value.line), [value], (said) => variableFindings(name, said)),
    ),
    ...(first ? [...launchFindings(first, at), ...argumentFindings(first, at)] : []),
    ...others.map(({ line }) =>
      warning(
        'starts vLLM more than once: only the first is imported',
        { file, line: first?.line ?? 1 },
        { file, line },
      ),
    ),
  ];
  return { findings, flags: first && flagNames(first), servesAt: first?.line };
}

type Serving = {
  readonly line: number;
  /** What stands before vLLM: srun, torchrun, a container. */
  readonly before: readonly Word[];
  readonly words: readonly Word[];
  readonly environment: readonly { readonly name: string; readonly value: Word }[];
};

const POSITIONAL = 'vllm serve MODEL';
/** What a model stands behind. */
export const MODEL_KEYS: readonly string[] = ['--model', POSITIONAL];

const API_SERVER = 'vllm.entrypoints.openai.api_server';

/** `… vllm serve …` or `… -m vllm.entrypoints.openai.api_server …`, also within a `bash -c '…'`. */
function servingIn({ words }: Command, shell: ShellVariables): readonly Serving[] {
  if (['echo', 'printf'].includes(words[0]?.text ?? '')) return [];
  const at = words.findIndex(
    ({ text }, i) =>
      (text === 'serve' && path.basename(words[i - 1]?.text ?? '') === 'vllm') ||
      (text === API_SERVER && words[i - 1]?.text === '-m'),
  );
  if (at >= 0) {
    const before = words.slice(0, at - 1);
    return [{ line: words[at]?.line ?? 1, before, words: words.slice(at + 1), environment: assignmentsIn(before) }];
  }
  const inner = words.find(({ text }) => /\bvllm\s+serve\s|-m\s+vllm\.entrypoints\.openai\.api_server\b/.test(text));
  if (!inner || inner.text === words[0]?.text) return [];
  const script = readScript(inner.text, shell, inner.line);
  return script.commands
    .flatMap((command) => servingIn(command, shell))
    .map((one) => ({ ...one, environment: [...script.exported, ...one.environment] }));
}

/** `env NAME=value vllm serve`. */
function assignmentsIn(words: readonly Word[]): Serving['environment'] {
  return words.flatMap((word) => {
    const match = /^([A-Za-z_]\w*)=(.*)$/s.exec(word.text);
    return match ? [{ name: match[1] ?? '', value: { ...word, text: match[2] ?? '' } }] : [];
  });
}

type At = (key: string, line: number) => Setting;

function launchFindings({ before, line }: Serving, at: At): readonly Finding[] {
  const programs = before.map(({ text }) => path.basename(text));
  const launcher = ['srun', 'mpirun', 'torchrun', 'ray', 'apptainer', 'singularity', 'docker', 'podman'].filter(
    (name) => programs.includes(name),
  );
  return launcher.map((name) =>
    left(
      at(`${name} …`, before.find(({ text }) => path.basename(text) === name)?.line ?? line),
      ['srun', 'mpirun', 'torchrun', 'ray'].includes(name)
        ? 'the operator starts the ranks itself: spec.launcher'
        : 'this version runs the engine from the host or a virtual environment: spec.runtime',
    ),
  );
}

/** Flags and their values; what stands before the first flag is the model. */
function argumentFindings({ words }: Serving, at: At): readonly Finding[] {
  const options = optionsIn(words);
  const parser = options.find(({ name }) => name === 'tool-call-parser');
  return options.flatMap((option): readonly Finding[] => {
    const { name, flag, values } = option;
    const setting = at(flag.text, flag.line);
    if (flag.certainty === 'unknown') return [left(setting, UNKNOWN)];
    if (name === undefined && !flag.text.startsWith('-'))
      return [left(setting, 'it is no option, and no option takes it')];
    if (name === undefined)
      return [left(setting, 'it is a short option, and which long one it stands for is not known')];
    // The parser's field gives both flags.
    if (name === 'enable-auto-tool-choice' && parser)
      return wordFindings(setting, parser.values, (said) => flagFindings('tool-call-parser', said));
    return wordFindings(setting, values, (said) => flagFindings(name, said));
  });
}

type Option = { readonly name: string | undefined; readonly flag: Word; readonly values: readonly Word[] };

function optionsIn(words: readonly Word[]): readonly Option[] {
  const options: Option[] = [];
  const first = words.findIndex(isFlag);
  const model = words.slice(0, first < 0 ? words.length : first);
  let positional = model[0];
  const rest = first < 0 ? [] : words.slice(first);
  for (let i = 0; i < rest.length; ) {
    const flag = rest[i] as Word;
    const next = rest.findIndex((word, at) => at > i && isFlag(word));
    const end = next < 0 ? rest.length : next;
    const [written = '', ...inline] = flag.text.split('=');
    const name = flagName(written);
    let values = rest.slice(i + 1, end);
    if (inline.length > 0) values = [{ ...flag, text: inline.join('=') }, ...values];
    // A flag that takes one value, or none, leaves what follows to be the model.
    const kind = name === undefined ? undefined : kindOfFlag(name);
    const taken = kind === undefined || kind === 'words' ? values.length : kind === 'switch' ? inline.length : 1;
    positional ??= values[taken];
    const spare = values.slice(taken).filter((word) => word !== positional);
    options.push({ name, flag: { ...flag, text: written }, values: values.slice(0, taken) }, ...spare.map(stray));
    i = end;
  }
  const named: readonly Option[] = positional
    ? [{ name: 'model', flag: { ...positional, text: POSITIONAL, certainty: 'said' }, values: [positional] }]
    : [];
  return [...named, ...model.slice(1).map(stray), ...options];
}

const stray = (word: Word): Option => ({ name: undefined, flag: word, values: [] });

/** A word nobody knows may be any number of flags. */
const isFlag = ({ text, certainty }: Word): boolean =>
  /^--?[A-Za-z]/.test(text) || (certainty === 'unknown' && /^[$`]/.test(text) && /ARG|OPT|FLAG|EXTRA/i.test(text));

function flagNames({ words }: Serving): ReadonlySet<string> | undefined {
  const options = optionsIn(words);
  if (options.some(({ flag }) => flag.certainty === 'unknown')) return undefined;
  return new Set(options.flatMap(({ name }) => (name === undefined ? [] : [name])));
}

/** The text is not told: a secret may be part of it. */
const UNKNOWN = 'what it is comes out only when the script runs';

function wordFindings(
  setting: Setting,
  words: readonly Word[],
  read: (said: { setting: Setting; words: readonly string[]; authority: Authority }) => readonly Finding[],
): readonly Finding[] {
  const unknown = words.find(({ certainty }) => certainty === 'unknown');
  if (unknown) return [left(setting, UNKNOWN)];
  const authority = words.some(({ certainty }) => certainty === 'fallback') ? 'fallback' : 'script';
  return read({ setting, words: words.map(({ text }) => text), authority });
}

/** `module load`, `source VENV/bin/activate`, and what else changes what the engine finds. */
function environmentFindings({ words, line }: Command, at: At): readonly Finding[] {
  const [program, second, ...rest] = words;
  switch (program?.text) {
    case 'module':
    case 'ml': {
      const names =
        second?.text === 'load' || second?.text === 'add' ? rest : program.text === 'ml' ? words.slice(1) : [];
      const setting = at([program.text, second?.text].join(' ').trim(), line);
      if (names.length === 0) return [left(setting, 'it takes modules away, and a job begins without any')];
      return wordFindings(setting, names, (said) =>
        claimOf({ field: 'spec.runtime.modules', kind: 'words' }, said.words, setting, said.authority),
      );
    }
    case 'source':
    case '.': {
      const setting = at(`source ${second?.text ?? ''}`, line);
      const venv = /^(.*)\/bin\/activate$/.exec(second?.text ?? '')?.[1];
      if (!second || venv === undefined)
        return [left(setting, 'what it sets is not known: name it in spec.runtime or spec.engine.env')];
      return wordFindings(setting, [{ ...second, text: venv }], (said) =>
        claimOf({ field: 'spec.runtime.venv', kind: 'path' }, said.words, setting, said.authority),
      );
    }
    case 'conda':
    case 'mamba':
    case 'micromamba':
      return [
        left(
          at(`${program.text} ${second?.text ?? ''}`, line),
          'spec.runtime.venv takes the directory of an environment: name it there',
        ),
      ];
    case 'ulimit':
      return [left(at('ulimit', line), 'the operator raises the limit of open files itself')];
    default:
      return [];
  }
}

function directiveFindings(file: string, text: string, shell: ShellVariables): readonly Finding[] {
  const options = directiveOptions(text).map(({ line, option }) => ({ option, place: { file, line } }));
  const good = options.flatMap(({ option, place }) => (option.ok ? [{ ...option.value, place }] : []));
  const lastOf = (name: string) => good.findLast((one) => one.name === name);
  const counted = (name: string) => {
    const one = lastOf(name);
    return one && /^\d+$/.test(one.value)
      ? { setting: { key: `#SBATCH --${name}`, place: one.place }, count: Number(one.value) }
      : undefined;
  };
  return options.flatMap(({ option, place }): readonly Finding[] => {
    if (!option.ok) return [left({ key: '#SBATCH', place }, `sbatch would not take it: ${option.error}`)];
    const { name, value } = option.value;
    const setting = { key: `#SBATCH --${name}`, place };
    const authority = 'script';
    if (good.findLast((one) => one.name === name)?.place !== place)
      return [left(setting, 'it is said again further down, and the last counts')];
    if (name === 'gres') return gresFindings(value, setting, authority);
    if (name === 'gpus' || name === 'gpus-per-node') {
      const gpus = readGpuCount(value);
      if (!gpus) return [left(setting, `${JSON.stringify(value)} is no count of GPUs`)];
      if (name === 'gpus-per-node') return gpuFindings(gpus.type, gpus.count, setting, authority);
      return [
        ...gpuFindings(gpus.type, gpus.count, setting, authority).slice(1),
        ...gpusOverNodes({ setting, count: gpus.count }, counted('nodes'), authority),
      ];
    }
    const tasks = counted('ntasks-per-node');
    if (name === 'cpus-per-task' && tasks && tasks.count > 1 && /^\d+$/.test(value))
      return [
        { kind: 'claim', setting, field: 'spec.resources.cpusPerTask', value: Number(value) * tasks.count, authority },
        warning(
          `each node has one task here: ${tasks.count} tasks of ${value} CPUs are written as one of ${Number(value) * tasks.count}`,
          tasks.setting.place,
          place,
        ),
      ];
    const full = expand(value, shell);
    return optionFindings(name, {
      setting,
      words: full.ok && full.value !== '' ? [full.value] : value === '' ? [] : [value],
      authority,
    });
  });
}
