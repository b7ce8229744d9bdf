import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import type { Catalog, CatalogEntry } from '../api/catalog.ts';
import { PRESET_NAME } from '../api/spec.ts';
import type { Settings } from '../config.ts';
import { readPreset } from '../launch/read-preset.ts';
import { err, ok, type Result } from '../result.ts';
import { bundledCatalog } from './package.ts';

/** Far more than any preset; a file beyond it is something else. */
const MAX_BYTES = 256 * 1024;

/**
 * The catalog that comes with the operator, and the site's own over it, name by name. A file that is no preset is told
 * to whoever asks for it, and keeps no other from being used.
 * @returns an error in words when the site's directory cannot be listed
 */
export function readCatalog({ catalogDirectory }: Pick<Settings, 'catalogDirectory'>): Result<Catalog, string> {
  const entries = new Map<string, CatalogEntry>();
  const broken = new Map<string, string>();
  for (const directory of [bundledCatalog(), ...(catalogDirectory === undefined ? [] : [catalogDirectory])]) {
    const files = filesIn(directory);
    if (!files.ok) return files;
    for (const file of files.value) {
      const name = path.basename(file, path.extname(file));
      const read = PRESET_NAME.test(name) ? readFile(file) : err('its name is none for a preset');
      entries.delete(name);
      broken.delete(name);
      if (read.ok) entries.set(name, { name, file, preset: read.value });
      else broken.set(name, `${file}: ${read.error}`);
    }
  }
  return ok({ entries: sorted(entries), broken });
}

function filesIn(directory: string): Result<readonly string[], string> {
  try {
    const names = readdirSync(directory).filter((name) => /^[^.].*\.ya?ml$/.test(name));
    return ok(names.map((name) => path.join(directory, name)));
  } catch (error) {
    return err(`the catalog ${directory} cannot be read: ${(error as Error).message}`);
  }
}

function readFile(file: string): ReturnType<typeof readPreset> {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length > MAX_BYTES) return err(`is longer than any preset: over ${MAX_BYTES} bytes`);
    return readPreset(parse(text, { maxAliasCount: 0 }));
  } catch (error) {
    return err((error as Error).message.split('\n', 1)[0] ?? '');
  }
}

function sorted<T>(byName: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  return new Map([...byName].sort(([a], [b]) => (a < b ? -1 : 1)));
}
