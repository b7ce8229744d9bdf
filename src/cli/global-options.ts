import { type Command, InvalidArgumentError } from 'commander';
import type { Catalog } from '../api/catalog.ts';
import { readCatalog } from './catalog-files.ts';
import { type Cli, EXIT, fail } from './cli.ts';
import type { SettingProblem } from './settings/layers.ts';
import { type FlagSettings, type LoadedSettings, loadSettings } from './settings/load.ts';

/** Flags that set a setting; the others of the settings page are reached by `--set`. */
const FLAGS: readonly SettingFlag[] = [
  { option: 'directory', flag: '-d, --directory <dir>', path: 'directory', text: 'directory of the deployments' },
  { option: 'cluster', flag: '--cluster <type>', path: 'cluster.type', text: 'slurm, local or auto' },
  { option: 'logLevel', flag: '--log-level <level>', path: 'log.level', text: 'debug, info, warn, error or silent' },
  { option: 'logFormat', flag: '--log-format <format>', path: 'log.format', text: 'pretty, json or auto' },
];

/** A flag that says the same as a setting. */
export type SettingFlag = {
  /** As commander names its value. */
  readonly option: string;
  readonly flag: string;
  /** Of the setting. */
  readonly path: string;
  readonly text: string;
  /** What it means without a value of its own. */
  readonly bare?: string;
};

type Pair = readonly [string, string];
type GlobalOptions = {
  readonly config?: string;
  readonly set?: readonly Pair[];
  readonly [option: string]: unknown;
};

/** Settings in force, and the presets they lead to. */
export type Loaded = LoadedSettings & { readonly catalog: Catalog };

export function addGlobalOptions(program: Command): Command {
  program.option('--config <file>', 'settings file (default: $XDG_CONFIG_HOME/vllm-slurm/operator.yaml)');
  for (const { flag, text } of FLAGS) program.option(flag, text);
  return program.option('--set <key=value>', 'any setting, such as limits.concurrency=4; repeatable', collectPair);
}

/** Runs `use` with the settings in force, or tells every problem of them. @returns the exit code */
export async function withSettings(
  cli: Cli,
  command: Command,
  use: (loaded: Loaded) => Promise<number>,
  ownFlags: readonly SettingFlag[] = [],
): Promise<number> {
  const loaded = loadSettings(cli, flagSettings(command.optsWithGlobals<GlobalOptions>(), [...FLAGS, ...ownFlags]));
  if (!loaded.ok) {
    const lines = loaded.error.map(problemLine);
    return fail(cli, ['wrong settings', ...lines.map((line) => `  ${line}`)].join('\n'), EXIT.usage);
  }
  const catalog = readCatalog(loaded.value.settings);
  return catalog.ok
    ? use({ ...loaded.value, catalog: catalog.value })
    : fail(cli, `wrong settings\n  catalogDirectory: ${catalog.error}`, EXIT.usage);
}

function flagSettings(options: GlobalOptions, flags: readonly SettingFlag[]): FlagSettings {
  const values = new Map(options.set ?? []);
  const spelling = new Map((options.set ?? []).map(([path]) => [path, `--set ${path}`]));
  for (const { option, flag, path, bare } of flags) {
    const value = options[option] === true ? bare : options[option];
    if (typeof value !== 'string') continue;
    values.set(path, value);
    spelling.set(path, flag.replace(/^-\w, /, '').replace(/ .*$/, ''));
  }
  return {
    configFile: options.config,
    values,
    spelling: (path) => spelling.get(path) ?? spelling.get(listOf(path)) ?? `--set ${path}`,
  };
}

/** An item is told by the flag of its list: `kubernetes.watchNamespaces.1`. */
const listOf = (path: string): string => path.replace(/\.\d+$/, '');

function problemLine({ where, key, message }: SettingProblem): string {
  return [where, key, message].filter((part) => part !== '').join(': ');
}

function collectPair(text: string, before: readonly Pair[] = []): readonly Pair[] {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('Must be KEY=VALUE.');
  return [...before, [text.slice(0, at), text.slice(at + 1)]];
}
