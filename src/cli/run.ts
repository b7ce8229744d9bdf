import { Command } from 'commander';
import { parseFailpoint } from '../controller/failpoints.ts';
import { createLog } from '../telemetry/log.ts';
import { type Cli, EXIT, examples, fail, wantsColour } from './cli.ts';
import { chooseCluster } from './cluster.ts';
import { openSlurm } from './compose.ts';
import { dyingAt } from './failpoint.ts';
import { type Loaded, withSettings } from './global-options.ts';
import { startOperator } from './operator.ts';
import { packageVersion } from './package.ts';
import { FAILPOINT_VARIABLE } from './settings/layers.ts';

export function runCommand(cli: Cli): Command {
  const command = new Command('run')
    .description('work on the directory until Ctrl-C: submit, watch, resubmit, cancel; jobs live on when it ends')
    .action(async (_options: object, self: Command) =>
      cli.exit(await withSettings(cli, self, (loaded) => run(cli, loaded))),
    );
  return examples(command, [
    ['vllm-slurm run -d ./deployments', 'SLURM if sbatch is found, else this machine'],
    ['vllm-slurm run --cluster local --set local.gpus=2', 'jobs are processes of this machine'],
    ['vllm-slurm run --set cluster.commandPrefix=ssh,login1', 'a cluster reached over ssh'],
  ]);
}

async function run(cli: Cli, loaded: Loaded): Promise<number> {
  const { settings, files, secrets, catalog } = loaded;
  const dieAt = cli.environment[FAILPOINT_VARIABLE];
  const failpoint = dieAt === undefined ? undefined : parseFailpoint(dieAt);
  if (dieAt !== undefined && !failpoint)
    return fail(cli, `${FAILPOINT_VARIABLE}: ${dieAt} is no failpoint`, EXIT.usage);
  const log = createLog({
    ...settings.log,
    stream: cli.stderr,
    isTerminal: cli.stderr.isTTY === true,
    colour: wantsColour(cli, cli.stderr),
    secrets,
  });
  const { type, why } = chooseCluster(settings, cli);
  log.info(
    { version: packageVersion(), directory: settings.directory, logs: settings.logDirectory, settings: files },
    `working on ${settings.directory}, cluster ${settings.cluster.name ?? type} (${type}: ${why})`,
  );
  for (const problem of catalog.broken.values()) log.warn(`a preset cannot be used: ${problem}`);
  const slurm = await openSlurm(cli, settings);
  if (!slurm.ok) return fail(cli, slurm.error);
  const operator = await startOperator(cli, loaded, log, slurm.value, (deps) =>
    failpoint ? dyingAt(deps, failpoint) : deps,
  );
  if (!operator.ok) {
    await slurm.value.close();
    return fail(cli, operator.error);
  }
  await interrupted(cli.interrupted);
  log.info('stopping; jobs live on');
  await operator.value.stop();
  await slurm.value.close();
  return EXIT.ok;
}

export function interrupted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
