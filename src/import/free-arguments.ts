import { argumentFindings } from './argument-findings.ts';
import { EMPTY, isEmpty, isNested, leftRule, type Rule } from './entry-findings.ts';
import { left } from './finding.ts';
import { type Option, optionsIn, POSITIONAL } from './serving.ts';
import { readScript, type Word } from './shell/commands.ts';
import type { ShellVariables } from './values.ts';

/** Keys below which people write more of vLLM's command line: text as a shell reads it, or a list of words. */
const KEYS = ['extra_args', 'extra_vllm_args', 'vllm_extra_args', 'additional_args', 'extra_flags'];

/** Each flag is a setting of its own, such as `vllm.extra_args --max-num-seqs`, and counts as much as the key. */
const freeArgumentsRule: Rule = (entry, context) => {
  const { setting, value } = entry;
  if (isNested(entry)) return leftRule('it must be text, or a list of words')(entry, context);
  const words = isEmpty(value) ? [] : wordsOf(value, context.shell);
  if (words === undefined) return [left(setting, 'it is more than the words of one command line')];
  if (words.length === 0) return [left(setting, EMPTY)];
  const at = (key: string) => ({ key: `${setting.key} ${key}`, place: setting.place });
  return argumentFindings(optionsIn(words).map(withoutModel), at).map((finding) =>
    finding.kind === 'claim' && finding.authority === 'script' ? { ...finding, authority: context.authority } : finding,
  );
};

export const FREE_ARGUMENTS: Readonly<Record<string, Rule>> = Object.fromEntries(
  KEYS.map((key) => [key, freeArgumentsRule]),
);

/** @returns undefined where a shell would see several commands */
function wordsOf(value: unknown, shell: ShellVariables): readonly Word[] | undefined {
  if (!Array.isArray(value)) return shellWords(String(value), shell);
  const lists = value.map((item) => {
    const text = String(item);
    // What stands behind a flag is one word already, quotes and all: `{"image": 4}`.
    const isWhole = !text.startsWith('-') && /[\s"'{}]/.test(text);
    return isWhole ? [{ text, line: 1, certainty: 'said' } as const] : shellWords(text, shell);
  });
  return lists.includes(undefined) ? undefined : lists.flatMap((words) => words ?? []);
}

function shellWords(text: string, shell: ShellVariables): readonly Word[] | undefined {
  // Behind a word that is no assignment and no flag; a block of lines is one line of flags.
  const { commands } = readScript(`: ${text.replaceAll('\n', ' ')}`, shell);
  return commands.length === 1 ? commands[0]?.words.slice(1) : undefined;
}

/** The model stands elsewhere in such a file: what would be taken for it is a word of nobody's. */
function withoutModel(option: Option): Option {
  const [model] = option.values;
  return option.flag.text === POSITIONAL && model ? { name: undefined, flag: model, values: [] } : option;
}
