import path from 'node:path';
import { Command, Option } from 'commander';
import type { Resource } from '../api/resource.ts';
import type { Settings } from '../config.ts';
import { type Cli, EXIT, examples, fail, pause, say, wholeNumber } from './cli.ts';
import { namespaceOption, withDeployment } from './deployments.ts';
import { openFar } from './far.ts';
import { copyFrom, LOGS_HERE, type LogFile, type LogPlace, logFiles, tailOffset } from './log-files.ts';
import { settingsOf } from './open-clusters.ts';

type LogsOptions = {
  readonly namespace: string;
  readonly follow?: true;
  readonly replica?: number;
  readonly attempt?: number;
  readonly previous?: true;
  readonly tail?: number;
};

/** Between two looks of `--follow`, ms. */
const FOLLOW_PERIOD_MS = 500;

export function logsCommand(cli: Cli): Command {
  const command = new Command('logs')
    .description("print the log of a replica's newest attempt, of all its nodes")
    .argument('<name>')
    .option('-f, --follow', 'go on as it grows, through later attempts too, until Ctrl-C')
    .option('--replica <n>', 'which replica (default: one that serves, else the lowest)', wholeNumber(0))
    .addOption(
      new Option('--attempt <n>', 'an earlier attempt, by its number').argParser(wholeNumber(1)).conflicts('previous'),
    )
    .option('-p, --previous', 'the attempt before the newest')
    .option('--tail <lines>', 'only the last lines', wholeNumber(0))
    .addOption(namespaceOption())
    .action(async (name: string, options: LogsOptions, self: Command) =>
      cli.exit(
        await withDeployment(cli, self, { namespace: options.namespace, name }, (resource, loaded) => {
          const settings = settingsOf(loaded.settings, resource);
          const directory = directoryOf(resource) ?? settings.logDirectory;
          return withLogs(cli, settings, (place) => logs(cli, place, resource, directory, options));
        }),
      ),
    );
  return examples(command, [
    ['vllm-slurm logs qwen -f', 'watch the model load'],
    ['vllm-slurm logs qwen --replica 1 --tail 50', "the end of one replica's log"],
    ['vllm-slurm logs qwen --previous', 'why the last attempt ended'],
  ]);
}

/** Behind ssh they are read where they are written. */
async function withLogs(cli: Cli, settings: Settings, use: (place: LogPlace) => Promise<number>): Promise<number> {
  const far = openFar(cli, settings);
  try {
    return await use(far?.logs ?? LOGS_HERE);
  } catch (error) {
    if (!far) throw error;
    return fail(cli, (error as Error).message);
  } finally {
    await far?.close();
  }
}

async function logs(
  cli: Cli,
  place: LogPlace,
  resource: Resource,
  directory: string,
  options: LogsOptions,
): Promise<number> {
  let files: readonly LogFile[];
  try {
    files = await logFiles(place, directory, resource.key);
  } catch (error) {
    return fail(cli, `the log directory cannot be read: ${(error as Error).message}`);
  }
  const replica = options.replica ?? servingReplica(resource) ?? files.at(0)?.replica ?? 0;
  const attempt = options.previous ? attemptBefore(files, replica) : options.attempt;
  if (options.previous && attempt === undefined)
    return fail(cli, `replica ${replica} of ${resource.key.name} has no log of an earlier attempt in ${directory}`);
  const file = choose(files, replica, attempt);
  if (!file) return fail(cli, noneWords(resource, directory, files, replica, attempt));
  return print(cli, place, file, directory, resource, { ...options, ...(attempt !== undefined && { attempt }) });
}

/** As the operator wrote it: the person's own settings may be others. */
function directoryOf({ status }: Resource): string | undefined {
  const log = status.jobs?.find((job) => job.log !== undefined)?.log;
  return log && path.dirname(log);
}

function attemptBefore(files: readonly LogFile[], replica: number): number | undefined {
  const attempts = files.filter((file) => file.replica === replica).map(({ attempt }) => attempt);
  return [...new Set(attempts)].at(-2);
}

async function print(
  cli: Cli,
  place: LogPlace,
  first: LogFile,
  directory: string,
  resource: Resource,
  options: LogsOptions,
): Promise<number> {
  let current = first;
  let handle = await place.open(current.path);
  try {
    let offset = options.tail === undefined ? 0 : await tailOffset(handle, options.tail);
    const write = (piece: Uint8Array) => writeAll(cli, piece);
    offset = await copyFrom(handle, offset, write);
    while (options.follow) {
      if (!(await pause(cli, FOLLOW_PERIOD_MS))) return EXIT.interrupted;
      offset = await copyFrom(handle, offset, write);
      const newest = choose(await logFiles(place, directory, resource.key), current.replica, undefined);
      if (options.attempt !== undefined || !newest || newest.path === current.path) continue;
      await handle.close();
      current = newest;
      handle = await place.open(current.path);
      offset = 0;
      say(cli, `--- attempt ${current.attempt}, job ${current.jobId} ---`);
    }
    return EXIT.ok;
  } finally {
    await handle.close();
  }
}

function servingReplica({ status }: Resource): number | undefined {
  return (
    status.endpoints?.find(({ ready }) => ready)?.replica ??
    status.jobs?.map(({ replica }) => replica).sort((a, b) => a - b)[0]
  );
}

/** An attempt submitted twice has two logs; the later job's counts. */
function choose(files: readonly LogFile[], replica: number, attempt: number | undefined): LogFile | undefined {
  return files.findLast((file) => file.replica === replica && (attempt === undefined || file.attempt === attempt));
}

function noneWords(
  { key, status }: Resource,
  directory: string,
  files: readonly LogFile[],
  replica: number,
  attempt: number | undefined,
): string {
  const which = `replica ${replica} of ${key.name}${attempt === undefined ? '' : `, attempt ${attempt},`}`;
  const waiting = status.jobs?.find((job) => job.replica === replica && job.startTime === undefined);
  if (waiting) return `${which} has no log yet: job ${waiting.jobId} is ${waiting.state}`;
  const others = files.map((file) => `replica ${file.replica} attempt ${file.attempt}`);
  return `${which} has no log in ${directory}${others.length > 0 ? `; there are ${others.join(', ')}` : ''}`;
}

/** Waits for a slow reader instead of keeping the log in memory. */
async function writeAll(cli: Cli, piece: Uint8Array): Promise<void> {
  await new Promise<void>((done) => {
    cli.stdout.write(piece, () => done());
  });
}
