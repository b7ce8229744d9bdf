import { type Authority, type Finding, left, problem, warning } from './finding.ts';
import type { Said } from './targets.ts';
import { expand, type ShellVariables } from './values.ts';
import { type Entry, leavesOf } from './yaml-entries.ts';

export type Context = { readonly authority: Authority; readonly shell: ShellVariables };

/** How one key of a config file is read. */
export type Rule = (entry: Entry, context: Context) => readonly Finding[];

export const EMPTY = 'it is empty, which left it to a default';

/** A key that holds one value, or a list of them, with `~` and `$USER` filled in as a shell would have. */
export const valueRule =
  (use: (said: Said) => readonly Finding[]): Rule =>
  (entry, { authority, shell }) => {
    const { setting, value } = entry;
    if (isEmpty(value)) return [left(setting, EMPTY)];
    const values = Array.isArray(value) ? value : [value];
    if (isNested(entry)) return [problem(setting.place, `${setting.key} must be one value, not a part of its own`)];
    const words = values.map((one) => expand(String(one), shell));
    const missing = words.find((word) => !word.ok);
    if (missing && !missing.ok)
      return [
        left(setting, `it names ${missing.error}, which only a job's own shell knows`),
        warning(
          `${setting.key} names ${missing.error}, which is not known here: write the value by hand`,
          setting.place,
        ),
      ];
    return use({ setting, words: words.flatMap((word) => (word.ok ? [word.value] : [])), authority }).map(asMistake);
  };

/** What no field could hold is a mistake of this file's, and told as one. */
function asMistake(finding: Finding): Finding {
  if (finding.kind !== 'left' || !finding.isWrong) return finding;
  return problem(finding.setting.place, `${finding.setting.key} ${finding.why}`);
}

/** For keys nobody here knows: what has parts of its own is no mistake, and is carried nowhere. */
export const guessRule =
  (rule: Rule, why: string): Rule =>
  (entry, context) =>
    isNested(entry) ? leftRule(why)(entry, context) : rule(entry, context);

/** A mapping, or a list with one in it. */
export const isNested = ({ value }: Entry): boolean =>
  (Array.isArray(value) ? value : [value]).some((one) => typeof one === 'object' && one !== null);

/** Every setting below a key, carried nowhere. */
export const leftRule =
  (why: string): Rule =>
  (entry) =>
    leavesOf(entry).map(({ setting, value }) => left(setting, isEmpty(value) ? EMPTY : why));

export function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** `max_model_len` → `max-model-len`, as flags and options are spelled. */
export const dashed = (name: string): string => name.replaceAll('_', '-');
