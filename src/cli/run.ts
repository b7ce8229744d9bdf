import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { Command } from 'commander';
import { policyOf, type Settings, siteOf } from '../config.ts';
import type { Deps } from '../controller/deps.ts';
import { createController } from '../controller/run.ts';
import { createHttpProber } from '../probe/http.ts';
import { readLogTail } from '../probe/log-tail.ts';
import { createDirectoryStore } from '../store/directory/store.ts';
import { createEventFiles } from '../telemetry/event-files.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import { type Cli, EXIT, examples, fail, wantsColour } from './cli.ts';
import { chooseCluster } from './cluster.ts';
import { openSlurm } from './compose.ts';
import { withSettings } from './global-options.ts';
import { packageVersion, serveScript, standInCommand } from './package.ts';
import type { LoadedSettings } from './settings/load.ts';

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

async function run(cli: Cli, { settings, files, secrets }: LoadedSettings): Promise<number> {
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
  try {
    await mkdir(settings.logDirectory, { recursive: true });
  } catch (error) {
    return fail(cli, `the log directory cannot be made: ${(error as Error).message}`);
  }
  const slurm = await openSlurm(cli, settings);
  if (!slurm.ok) return fail(cli, slurm.error);
  const store = await createDirectoryStore({
    directory: settings.directory,
    clock: cli.clock,
    log: (message) => log.warn(message),
    rescanMs: settings.intervals.rescanSeconds * 1000,
  });
  if (!store.ok) {
    await slurm.value.close();
    return fail(cli, store.error.message);
  }
  const prober = createHttpProber({ clock: cli.clock });
  const controller = createController(depsOf(cli, settings, log, { slurm: slurm.value, store: store.value, prober }));
  await controller.start();
  await interrupted(cli.interrupted);
  log.info('stopping; jobs live on');
  await controller.stop();
  await Promise.all([prober.close(), store.value.close(), slurm.value.close()]);
  return EXIT.ok;
}

function depsOf(cli: Cli, settings: Settings, log: Log, ports: Pick<Deps, 'slurm' | 'store' | 'prober'>): Deps {
  const { limits, intervals } = settings;
  return {
    ...ports,
    events: createEventFiles(settings.directory, (message) => log.warn(message)),
    clock: cli.clock,
    log,
    policy: policyOf(settings),
    site: siteOf(settings, standInCommand()),
    body: serveScript(),
    tail: (file) => readLogTail(file, limits.maxLogBytes),
    entropy: () => BigInt(`0x${randomBytes(8).toString('hex')}`).toString(36),
    limits: { turns: limits.concurrency, slurmCalls: limits.slurmCalls, suspectFraction: settings.suspectFraction },
    intervals: { resyncMs: intervals.resyncSeconds * 1000, sweepMs: intervals.sweepSeconds * 1000 },
  };
}

function interrupted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
