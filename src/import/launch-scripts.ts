import { didYouMean } from '../nearest.ts';
import { type Context, EMPTY, isEmpty, leftRule } from './entry-findings.ts';
import { type Finding, left, problem } from './finding.ts';
import { readModel } from './launch-models.ts';
import { SECTIONS } from './launch-sections.ts';
import type { Reading, Surroundings } from './reading.ts';
import type { Entry } from './yaml-entries.ts';

/** The scripts' `config.yaml`: sections for every model, and `models` with what each has of its own. */
export function readLaunchScripts(entries: readonly Entry[], around: Surroundings): Reading {
  const context: Context = { authority: 'default', shell: around.shell };
  const sections = new Map(entries.map((entry) => [entry.name, entry]));
  const models = sections.get('models');
  const active = sections.get('active_model');
  const known = [...Object.keys(SECTIONS), 'models', 'active_model'];
  const shared = entries
    .filter(({ name }) => name !== 'models' && name !== 'active_model')
    .flatMap((entry): readonly Finding[] => {
      const section = SECTIONS[entry.name];
      if (!section) return leftRule(`there is no such section.${didYouMean(entry.name, known)}`)(entry, context);
      if (isEmpty(entry.value)) return [left(entry.setting, EMPTY)];
      if (entry.entries.length === 0)
        return section.alone
          ? section.alone(entry, context)
          : [problem(entry.setting.place, `${entry.name} must hold \`key: value\` lines below it`)];
      return entry.entries.flatMap((one) => (section.rules(around)[one.name] ?? section.otherwise)(one, context));
    });
  const activeName = typeof active?.value === 'string' && active.value !== '' ? active.value : undefined;
  return {
    format: 'launch-scripts',
    shared: [...shared, ...wholeFindings(models, active, activeName, around)],
    models: (models?.entries ?? []).flatMap((entry) => readModel(entry, around)),
    ...(active && activeName !== undefined && { active: { setting: active.setting, name: activeName } }),
  };
}

function wholeFindings(
  models: Entry | undefined,
  active: Entry | undefined,
  activeName: string | undefined,
  { file }: Surroundings,
): readonly Finding[] {
  if (!models) return [problem({ file, line: 1 }, 'has no section `models`: there is nothing to import')];
  if (models.entries.length === 0)
    return [problem(models.setting.place, '`models` must hold the name of each model with its settings below it')];
  if (!active) return [];
  if (activeName === undefined)
    return isEmpty(active.value)
      ? [left(active.setting, EMPTY)]
      : [problem(active.setting.place, 'active_model must be the name of a model')];
  const names = models.entries.map(({ name }) => name);
  if (names.includes(activeName)) return [];
  return [
    problem(
      active.setting.place,
      `active_model is "${activeName}", and models has none of that name.${didYouMean(activeName, names)}`,
    ),
  ];
}
