import { readFileSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import type { Settings } from '../../config.ts';
import { err, ok, type Result } from '../../result.ts';
import {
  CONFIG_VARIABLE,
  ENVIRONMENT_PREFIX,
  environmentLayer,
  fileLayer,
  flagLayer,
  type ReadLayer,
  type SettingProblem,
} from './layers.ts';
import { type Places, placesOf, resolveSettings } from './resolve.ts';

/** What the process was started with. */
export type Surroundings = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly workingDirectory: string;
  /** undefined where the system has no users. */
  readonly userId: number | undefined;
};

export type FlagSettings = {
  readonly configFile: string | undefined;
  /** By setting path. */
  readonly values: ReadonlyMap<string, string>;
  /** How the person spelled the flag of a path. */
  readonly spelling: (path: string) => string;
};

export type LoadedSettings = {
  readonly settings: Settings;
  /** Files that were read, for the first line of the log. */
  readonly files: readonly string[];
  /** Values of the environment and `.env` that must never be printed. */
  readonly secrets: readonly string[];
};

/** File < `.env` < environment < flags. Reads the disk; every problem found is told, not just the first. */
export function loadSettings(
  around: Surroundings,
  flags: FlagSettings,
): Result<LoadedSettings, readonly SettingProblem[]> {
  const places = placesOf(around.environment, around.home);
  const dotenv = readDotenv(around);
  if (!dotenv.ok) return dotenv;
  const config = readConfig(around, flags, places);
  if (!config.ok) return config;
  const here = around.workingDirectory;
  const read: readonly ReadLayer[] = [
    ...(config.value ? [config.value.read] : []),
    environmentLayer(dotenv.value ?? {}, here, '.env'),
    environmentLayer(around.environment, here),
    flagLayer(flags.values, flags.spelling, here),
  ];
  const unread = read.flatMap(({ problems }) => problems);
  const settings = resolveSettings(
    read.map(({ layer }) => layer),
    places,
  );
  if (!settings.ok) return err([...unread, ...settings.error]);
  if (unread.length > 0) return err(unread);
  return ok({
    settings: settings.value,
    files: [...(config.value ? [config.value.file] : []), ...(dotenv.value ? [path.join(here, '.env')] : [])],
    secrets: secretValues({ ...dotenv.value, ...around.environment }),
  });
}

type ConfigFile = { readonly file: string; readonly read: ReadLayer };

/** The one named by flag or variable must be there; the one at the usual place may be missing. */
function readConfig(
  around: Surroundings,
  flags: FlagSettings,
  places: Places,
): Result<ConfigFile | undefined, readonly SettingProblem[]> {
  const named = flags.configFile ?? around.environment[CONFIG_VARIABLE];
  const usual = path.join(places.configHome, 'vllm-slurm', 'operator.yaml');
  const file = named === undefined ? usual : path.resolve(around.workingDirectory, named);
  const text = readText(file);
  if (!text.ok) return err([{ where: file, key: '', message: text.error }]);
  if (text.value !== undefined) return ok({ file, read: fileLayer(file, path.dirname(file), text.value) });
  return named === undefined ? ok(undefined) : err([{ where: file, key: '', message: 'there is no such file' }]);
}

/**
 * Settings can name programs to run, so a `.env` is believed only when the person who runs us, or root, wrote it:
 * the working directory may be anybody's.
 */
function readDotenv({
  workingDirectory,
  userId,
}: Surroundings): Result<Record<string, string | undefined> | undefined, readonly SettingProblem[]> {
  const file = path.join(workingDirectory, '.env');
  const owner = statOf(file)?.uid;
  const text = readText(file);
  if (!text.ok || text.value === undefined) return ok(undefined);
  if (userId !== undefined && owner !== userId && owner !== 0) {
    return err([
      { where: file, key: '', message: 'belongs to another user and is not trusted; start from another directory' },
    ]);
  }
  return ok(parseEnv(text.value));
}

function statOf(file: string): Stats | undefined {
  return statSync(file, { throwIfNoEntry: false });
}

/** @returns undefined when there is no such file; an error in words when it cannot be read */
function readText(file: string): Result<string | undefined, string> {
  try {
    return ok(readFileSync(file, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? ok(undefined) : err(`cannot be read: ${message}`);
  }
}

function secretValues(environment: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(environment)
    .filter(([name]) => !name.startsWith(ENVIRONMENT_PREFIX)) // settings, and none of them holds a secret
    .filter(([name, value]) => /TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|JWT/i.test(name) && (value?.length ?? 0) >= 8)
    .map(([, value]) => value ?? '');
}
