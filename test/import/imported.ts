import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import type { Spec } from '../../src/api/spec.ts';
import { fileLayer } from '../../src/cli/settings/layers.ts';
import { resolveSettings } from '../../src/cli/settings/resolve.ts';
import { siteOf } from '../../src/config.ts';
import { placeText } from '../../src/import/finding.ts';
import { type Imported, importSource, SETTINGS_FILE } from '../../src/import/import.ts';
import { renderScript } from '../../src/launch/script.ts';
import { readDocuments } from '../../src/store/directory/documents.ts';

export type ImportOptions = {
  readonly file?: string;
  /** Job scripts at hand, by name. */
  readonly scripts?: Readonly<Record<string, string>>;
  readonly models?: readonly string[];
  readonly all?: boolean;
};

/** As the user ada, from a directory of scripts. */
export function importText(
  text: string,
  { file = 'config.yaml', scripts = {}, models = [], all = false }: ImportOptions = {},
): Imported {
  return importSource(
    {
      file,
      text,
      stem: file.replace(/\.[^.]+$/, ''),
      directory: '/home/ada/scripts',
      shell: { HOME: '/home/ada', USER: 'ada' },
      scripts: new Map(Object.entries(scripts).map(([name, script]) => [name, { file: name, text: script }])),
    },
    { models, all },
  );
}

/** The written specs by deployment, as plain YAML. Throws when there were problems. */
export function specsOf(imported: Imported): Readonly<Record<string, unknown>> {
  assert.deepEqual(problemsOf(imported), []);
  return Object.fromEntries(imported.deployments.map(({ name, path }) => [name, parse(textOf(imported, path)).spec]));
}

/** The only written spec. */
export function specOf(imported: Imported): unknown {
  const [spec, ...more] = Object.values(specsOf(imported));
  assert.deepEqual(more, []);
  return spec;
}

export const settingsOf = (imported: Imported): unknown => parse(textOf(imported, SETTINGS_FILE));

export const textOf = ({ files }: Imported, path: string): string => files.find((one) => one.path === path)?.text ?? '';

export const problemsOf = ({ problems }: Imported): readonly string[] =>
  problems.map(({ place, message }) => `${placeText(place)}: ${message}`);

export const leftOf = ({ left }: Imported): readonly string[] =>
  left.map(({ setting, why }) => `${placeText(setting.place)}: ${setting.key}: ${why}`);

export const warningsOf = ({ warnings }: Imported): readonly string[] =>
  warnings.map(({ places, message }) => `${places.map(placeText).join(', ')}: ${message}`);

export const carriedOf = ({ carried }: Imported): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(carried.map(({ key, to }) => [key, to]));

/** The deployments as the operator reads them from the written files. Throws what it has against them. */
export function readBack(imported: Imported): ReadonlyMap<string, Spec> {
  return new Map(
    imported.deployments.map(({ path }) => {
      const { claims, problems } = readDocuments(path, Buffer.from(textOf(imported, path)));
      const [claim] = claims;
      assert.ok(claim && problems.length === 0, JSON.stringify(problems));
      assert.ok(claim.declared.spec.ok, JSON.stringify(claim.declared.spec));
      return [claim.key.name, claim.declared.spec.value];
    }),
  );
}

/** The job of each deployment under the written settings, without the part that is constant. */
export function jobsOf(imported: Imported): Readonly<Record<string, string>> {
  const { layer, problems } = fileLayer(SETTINGS_FILE, '/home/ada/imported', textOf(imported, SETTINGS_FILE));
  assert.deepEqual(problems, []);
  const settings = resolveSettings([layer], {
    home: '/home/ada',
    configHome: resolve('/home/ada/.config'),
    stateHome: '/home/ada/.local/state',
  });
  assert.ok(settings.ok, JSON.stringify(settings));
  const site = siteOf(settings.value, ['node', 'stand-in.ts']);
  return Object.fromEntries(
    [...readBack(imported)].map(([name, spec]) => [
      name,
      renderScript({
        identity: {
          namespace: 'default',
          name,
          replica: 0,
          attempt: 1,
          uid: 'u',
          generation: 1,
          specHash: 'ab',
          nonce: 'n',
          owner: 'o',
        },
        spec,
        site,
        excludedNodes: [],
        body: ': serve.sh follows\n',
      }),
    ]),
  );
}
