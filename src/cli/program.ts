import { Command, CommanderError } from 'commander';
import { catalogCommand } from './catalog.ts';
import { type Cli, EXIT, examples } from './cli.ts';
import { clustersCommand } from './clusters.ts';
import { deleteCommand } from './delete.ts';
import { describeCommand } from './describe.ts';
import { doctorCommand } from './doctor.ts';
import { exportCommand } from './export.ts';
import { getCommand } from './get.ts';
import { addGlobalOptions } from './global-options.ts';
import { importCommand } from './import.ts';
import { logsCommand } from './logs.ts';
import { packageVersion } from './package.ts';
import { planCommand } from './plan.ts';
import { queryCommand } from './query.ts';
import { renderCommand } from './render.ts';
import { runCommand } from './run.ts';
import { scaleCommand } from './scale.ts';
import { trialCommand } from './trial.ts';
import { versionCommand } from './version.ts';
import { waitCommand } from './wait.ts';

/** In the order people meet them. */
const COMMANDS = [
  runCommand,
  getCommand,
  describeCommand,
  logsCommand,
  queryCommand,
  waitCommand,
  scaleCommand,
  deleteCommand,
  doctorCommand,
  clustersCommand,
  catalogCommand,
  planCommand,
  renderCommand,
  importCommand,
  exportCommand,
  trialCommand,
  versionCommand,
] as const;

/** The whole command line, nothing run yet. */
export function buildProgram(cli: Cli): Command {
  const program = new Command('vllm-slurm')
    .description('Keeps vLLM deployments serving on a SLURM cluster: YAML files in, endpoints out.')
    .version(packageVersion(), '-V, --version')
    .configureHelp({ showGlobalOptions: true, helpWidth: cli.stdout.columns ?? 100 })
    .configureOutput({ writeOut: (text) => cli.stdout.write(text), writeErr: (text) => cli.stderr.write(text) })
    .showHelpAfterError('(add --help for what is possible)');
  addGlobalOptions(program);
  examples(program, [
    ['vllm-slurm run -d ./deployments', 'work on a directory until Ctrl-C'],
    ['vllm-slurm get', 'in another terminal: what serves, where, and what does not'],
    ['vllm-slurm query qwen "Hello"', 'ask a model'],
  ]);
  for (const make of COMMANDS) program.addCommand(inherit(make(cli), program));
  return program;
}

/** @param argv without the program's own name. Sets the exit code through `cli.exit`; usage errors are 2. */
export async function runProgram(cli: Cli, argv: readonly string[]): Promise<void> {
  const program = buildProgram(cli);
  for (const command of [program, ...program.commands]) command.exitOverride();
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    cli.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
  }
}

/** `addCommand`, unlike `command`, hands nothing down. */
function inherit(command: Command, program: Command): Command {
  return command.copyInheritedSettings(program);
}
