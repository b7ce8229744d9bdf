import { createLog } from '../telemetry/log.ts';
import { type Cli, EXIT, fail, wantsColour } from './cli.ts';
import { chooseCluster } from './cluster.ts';
import { openSlurm } from './compose.ts';
import { startOperator } from './operator.ts';
import { packageVersion } from './package.ts';
import type { LoadedSettings } from './settings/load.ts';

/** Puts the adapters together and works until Ctrl-C. @returns the exit code */
export async function runOperator(cli: Cli, { settings, files, secrets }: LoadedSettings): Promise<number> {
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
  const slurm = await openSlurm(cli, settings);
  if (!slurm.ok) return fail(cli, slurm.error);
  const operator = await startOperator(cli, settings, log, slurm.value);
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
