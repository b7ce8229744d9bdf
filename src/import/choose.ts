import { didYouMean } from '../nearest.ts';
import { type Finding, left, problem, warning } from './finding.ts';
import type { ModelReading, Reading } from './reading.ts';

export type Choice = {
  /** Import these alone, and have them run. Empty: all. */
  readonly models: readonly string[];
  /** Have every model run, not the active one alone. */
  readonly all: boolean;
};

type Chosen = {
  readonly reading: Reading;
  readonly chosen: readonly ModelReading[];
  readonly findings: readonly Finding[];
};

/** @param file the source, as told to people */
export function choose(reading: Reading, file: string, { models, all }: Choice): Chosen {
  const known = reading.models.map(({ name }) => name);
  const strangers = models.filter((name) => !known.includes(name));
  const chosen = models.length > 0 ? reading.models.filter(({ name }) => models.includes(name)) : reading.models;
  const { active } = reading;
  const unsaid = models.length === 0 && !all && active === undefined && chosen.length > 1;
  return {
    reading,
    chosen,
    findings: [
      ...strangers.map((name) => problem({ file, line: 1 }, `has no model "${name}".${didYouMean(name, known)}`)),
      ...(unsaid
        ? [
            warning(
              `nothing says which of the ${chosen.length} models is to run, so all are written with spec.suspend: true; --all has all of them run, --model NAME one`,
              { file, line: 1 },
            ),
          ]
        : []),
      ...(active && (all || models.length > 0)
        ? [left(active.setting, all ? 'every model was asked to run' : 'the models that were asked for run')]
        : []),
      ...(active && !all && models.length === 0 && chosen.length === 1
        ? [left(active.setting, 'it is the only model, and runs')]
        : []),
    ],
  };
}

/** Runs: the only model, the active one, those that were asked for. */
export function suspends(model: ModelReading, { models, active }: Reading, choice: Choice): boolean {
  if (choice.all || choice.models.length > 0 || models.length === 1) return false;
  return active === undefined || active.name !== model.name;
}
