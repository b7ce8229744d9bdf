import path from 'node:path';
import { type Command, readScript, type Word } from './shell/commands.ts';
import { flagName, kindOfFlag } from './targets.ts';
import type { ShellVariables } from './values.ts';

/** One start of vLLM in a script. */
export type Serving = {
  readonly line: number;
  /** What stands before vLLM: srun, torchrun, a container. */
  readonly before: readonly Word[];
  readonly words: readonly Word[];
  readonly environment: readonly { readonly name: string; readonly value: Word }[];
};

/** How the model is named that stands before the flags. */
export const POSITIONAL = 'vllm serve MODEL';
/** What a model stands behind. */
export const MODEL_KEYS: readonly string[] = ['--model', POSITIONAL];

const API_SERVER = 'vllm.entrypoints.openai.api_server';

/** `… vllm serve …` or `… -m vllm.entrypoints.openai.api_server …`, also within a `bash -c '…'`. */
export function servingIn({ words }: Command, shell: ShellVariables): readonly Serving[] {
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

/** A flag and its values, or a word that belongs to none. */
export type Option = { readonly name: string | undefined; readonly flag: Word; readonly values: readonly Word[] };

/** What stands before the first flag, or is left over behind one, is the model. */
export function optionsIn(words: readonly Word[]): readonly Option[] {
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
    const usual = kind === undefined || kind === 'words' ? values.length : kind === 'switch' ? 0 : 1;
    const taken = inline.length > 0 ? 1 : usual;
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
