import { type Place, placeText } from './finding.ts';
import type { Imported } from './import.ts';

/** What an import came to, for programs: everything that was said is in `carried` or in `left`. */
export function reportJson(imported: Imported, output: string | undefined): Readonly<Record<string, unknown>> {
  const { format, deployments, files, carried, left, warnings, problems } = imported;
  return {
    format: format ?? null,
    output: output ?? null,
    deployments: deployments.map(({ name, model, path, isSuspended }) => ({
      name,
      model,
      path,
      suspended: isSuspended,
    })),
    files: files.map(({ path, text }) => ({ path, text })),
    carried: carried.map(({ key, place, to }) => ({ key, ...place, to })),
    left: left.map(({ setting, why }) => ({ key: setting.key, ...setting.place, why })),
    warnings,
    problems: problems.map(({ place, message }) => ({ ...place, message })),
  };
}

/** The same for people; without what is carried, which stands in the files beside each value. */
export function reportText({ deployments, carried, left, warnings }: Imported): string {
  return [
    ...deployments.map(({ path, model, isSuspended }) => `${path}: ${model}${isSuspended ? ', suspended' : ''}`),
    counted(carried.length, 'setting', 'carried'),
    ...(left.length === 0 ? [] : [`${counted(left.length, 'setting', 'not carried')}:`]),
    ...left.map(({ setting, why }) => `  ${placeText(setting.place)}: ${setting.key}: ${why}`),
    ...(warnings.length === 0 ? [] : [`${warnings.length} to look at:`]),
    ...warnings.map(({ places, message }) => `  ${placesText(places)}: ${message}`),
  ].join('\n');
}

const counted = (count: number, noun: string, what: string): string =>
  `${count} ${noun}${count === 1 ? '' : 's'} ${what}`;

const placesText = (places: readonly Place[]): string => [...new Set(places.map(placeText))].join(', ');
