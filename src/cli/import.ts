import os from 'node:os';
import path from 'node:path';
import { Command, Option } from 'commander';
import { placeText } from '../import/finding.ts';
import { type Imported, importSource, SETTINGS_FILE } from '../import/import.ts';
import { type Source, scriptsNamedIn } from '../import/read-source.ts';
import { reportJson, reportText } from '../import/report.ts';
import { err, ok, type Result } from '../result.ts';
import { decodeText } from '../store/directory/decode.ts';
import { diskFiles, explainDisk } from '../store/directory/files.ts';
import { type Cli, EXIT, examples, fail, print, printable, say } from './cli.ts';
import { writeFiles } from './new-file.ts';

type ImportOptions = {
  readonly output: string;
  readonly scripts?: string;
  readonly model: readonly string[];
  readonly all?: true;
  readonly dryRun?: true;
  readonly force?: true;
  readonly format: 'text' | 'json';
};

/** undefined where this user has no name. */
function userName(): string | undefined {
  try {
    return os.userInfo().username;
  } catch {
    return undefined;
  }
}

type NamedText = { readonly file: string; readonly text: string };

/** A config file or a script is some kilobytes. */
const MAX_BYTES = 1024 * 1024;

export function importCommand(cli: Cli): Command {
  const command = new Command('import')
    .description('write deployments, and settings of the operator, from what served models before')
    .argument('<file>', 'config.yaml of launch scripts, a batch script that starts vLLM, or models.yaml of vec-inf')
    .option('-o, --output <dir>', 'where to write operator.yaml and deployments/', 'imported')
    .option('--scripts <dir>', 'where the job scripts of a config file are (default: as it names them)')
    .option(
      '--model <name>',
      'only this one, to run; repeatable',
      (name: string, before: readonly string[]) => [...before, name],
      [],
    )
    .option('--all', 'have every model run, not only the active one')
    .option('--dry-run', 'print the files, write nothing')
    .option('--force', 'replace files that are there')
    .addOption(new Option('--format <format>', 'of the report').choices(['text', 'json']).default('text'))
    .action(async (file: string, options: ImportOptions) => cli.exit(await run(cli, file, options)));
  return examples(command, [
    ['vllm-slurm import config.yaml --dry-run | less', 'what would come of it'],
    ['vllm-slurm import config.yaml -o ~/vllm', 'then: vllm-slurm run --config ~/vllm/operator.yaml'],
    ['vllm-slurm import serve.sbatch', 'a batch script with a line `vllm serve`'],
    ['vllm-slurm import models.yaml --model Qwen2.5-7B-Instruct', 'one entry of vec-inf'],
  ]);
}

async function run(cli: Cli, file: string, options: ImportOptions): Promise<number> {
  const source = await readSource(cli, file, options.scripts);
  if (!source.ok) return fail(cli, source.error);
  const imported = importSource(source.value, { models: options.model, all: options.all ?? false });
  if (imported.problems.length > 0) return tellProblems(cli, imported, options);

  const output = path.resolve(cli.workingDirectory, options.output);
  if (options.dryRun) {
    if (options.format === 'json') print(cli, json(imported, undefined));
    else {
      print(cli, imported.files.map((one) => `# --- ${path.join(options.output, one.path)}\n${one.text}`).join('\n'));
      say(cli, printable(reportText(imported)));
    }
    return EXIT.ok;
  }
  const written = await writeFiles(
    imported.files.map((one) => ({ file: path.join(output, one.path), text: one.text })),
    options.force ?? false,
  );
  if (!written.ok) return fail(cli, written.error);
  if (options.format === 'json') print(cli, json(imported, output));
  else {
    const settings = path.join(options.output, SETTINGS_FILE);
    print(cli, printable(reportText(imported)));
    say(cli, `written to ${options.output}; next: vllm-slurm run --config ${settings}`);
  }
  return EXIT.ok;
}

function tellProblems(cli: Cli, imported: Imported, { format }: ImportOptions): number {
  if (format === 'json') {
    print(cli, json(imported, undefined));
    return EXIT.failed;
  }
  for (const { place, message } of imported.problems) fail(cli, printable(`${placeText(place)}: ${message}`));
  say(cli, 'nothing is written');
  return EXIT.failed;
}

const json = (imported: Imported, output: string | undefined): string =>
  JSON.stringify(reportJson(imported, output), undefined, 2);

async function readSource(cli: Cli, file: string, scripts: string | undefined): Promise<Result<Source, string>> {
  const absolute = path.resolve(cli.workingDirectory, file);
  const text = await readText(file, absolute);
  if (!text.ok) return text;
  const directory = path.dirname(absolute);
  const besides = scripts === undefined ? [] : [path.resolve(cli.workingDirectory, scripts)];
  const found = new Map<string, NamedText>();
  for (const name of scriptsNamedIn(file, text.value)) {
    const script = await findScript(name, [
      ...[directory, ...besides].map((place) => path.resolve(place, name)),
      ...besides.map((place) => path.join(place, path.basename(name))),
    ]);
    if (script) found.set(name, script);
  }
  const user = cli.environment.USER ?? cli.environment.LOGNAME ?? userName();
  return ok({
    file,
    text: text.value,
    stem: path.basename(file).replace(/\.[^.]+$/, ''),
    directory,
    shell: { HOME: cli.home, USER: user, LOGNAME: user },
    scripts: found,
  });
}

/** The first that can be read; told by the name the config gives it. */
async function findScript(name: string, places: readonly string[]): Promise<NamedText | undefined> {
  for (const place of places) {
    const text = await readText(name, place);
    if (text.ok) return { file: name, text: text.value };
  }
  return undefined;
}

async function readText(shown: string, file: string): Promise<Result<string, string>> {
  try {
    const { bytes } = await diskFiles.read(file, MAX_BYTES);
    if (bytes.length > MAX_BYTES)
      return err(`${shown} is longer than ${MAX_BYTES / 1024} KiB: it is none of the files that can be imported`);
    const text = decodeText(shown, bytes);
    if (text.ok) return text;
    const { line, message } = text.error;
    return err(`${line === undefined ? shown : `${shown}:${line}`}: ${message}`);
  } catch (error) {
    return err(`${shown} cannot be read: ${explainDisk(error)}`);
  }
}
