import { besideWinners, byWords, type Carried, carriedBy, settingKey } from './account.ts';
import { type Choice, choose } from './choose.ts';
import { deploymentNames } from './deployment-names.ts';
import {
  isClaim,
  isLeft,
  isProblem,
  isWarning,
  type Left,
  left,
  type Problem,
  placeText,
  type Warning,
} from './finding.ts';
import { deploymentText, settingsText } from './manifest-text.ts';
import { merge } from './merge.ts';
import { once } from './once.ts';
import { operatorSettings, settingOf } from './operator-settings.ts';
import { readSource, type Source } from './read-source.ts';
import type { Format } from './reading.ts';
import { DEPLOYMENTS_DIRECTORY, settle, sharedPorts } from './settle.ts';

/** A file to be written, by its path below the output directory. */
export type OutputFile = { readonly path: string; readonly text: string };

export type Imported = {
  readonly format: Format | undefined;
  readonly deployments: readonly {
    readonly name: string;
    /** What the source calls it. */
    readonly model: string;
    readonly path: string;
    readonly isSuspended: boolean;
  }[];
  /** Empty when there are problems. */
  readonly files: readonly OutputFile[];
  readonly carried: readonly Carried[];
  readonly left: readonly Left[];
  readonly warnings: readonly Warning[];
  readonly problems: readonly Problem[];
};

export const SETTINGS_FILE = 'operator.yaml';

/** Everything an import comes to. Pure: nothing is read and nothing written. */
export function importSource(source: Source, choice: Choice): Imported {
  const read = readSource(source);
  if ('problems' in read) return { ...NOTHING, problems: read.problems };
  const { reading, chosen, findings } = choose(read, source.file, choice);
  const shared = [...reading.shared, ...findings];
  const names = deploymentNames(chosen);
  const settled = chosen.map((model, at) => settle(model, names[at] ?? '', shared, reading, choice));
  const forOperator = merge(shared.filter(isClaim).filter((one) => settingOf(one)));
  const settings = operatorSettings(forOperator.winners, DEPLOYMENTS_DIRECTORY);
  const saidAgain = besideWinners(
    [...forOperator.agreeing, ...settled.flatMap((one) => one.agreeing)],
    settings.placed,
    settings.left,
  );
  const warnings = [
    ...shared.filter(isWarning),
    ...forOperator.warnings,
    ...settled.flatMap((one) => one.warnings),
    ...sharedPorts(settled),
  ];
  const problems = [...shared.filter(isProblem), ...settled.flatMap((one) => one.problems)];
  const carried = carriedBy([
    { path: SETTINGS_FILE, placed: [...settings.placed, ...saidAgain.placed] },
    ...settled.map(({ path, placed }) => ({ path, placed })),
  ]);
  const carriedKeys = new Set(carried.map(settingKey));
  const lefts = [
    ...shared.filter(isLeft),
    ...forOperator.left,
    ...settings.left,
    ...saidAgain.left,
    ...settled.flatMap((one) => one.left),
    ...reading.models
      .filter((model) => !chosen.includes(model))
      .map(({ setting }) => left(setting, 'another model was asked for')),
  ];
  return {
    format: reading.format,
    deployments: settled.map(({ name, model, path, isSuspended }) => ({ name, model: model.name, path, isSuspended })),
    files:
      problems.length > 0
        ? []
        : [
            { path: SETTINGS_FILE, text: settingsText(settings, source.file) },
            ...settled.map((one) => ({
              path: one.path,
              text: deploymentText(
                { ...one, ...one.assembled, left: one.left.filter((said) => !carriedKeys.has(bySetting(said))) },
                `${placeText(one.model.setting.place)}, ${one.model.setting.key}`,
              ),
            })),
          ],
    carried,
    left: once(lefts, bySetting).filter((one) => !carriedKeys.has(bySetting(one))),
    warnings: once(warnings, byWords),
    problems: once(problems, byWords),
  };
}

const NOTHING: Imported = {
  format: undefined,
  deployments: [],
  files: [],
  carried: [],
  left: [],
  warnings: [],
  problems: [],
};

const bySetting = ({ setting }: Left): string => settingKey(setting);
