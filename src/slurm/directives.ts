import { err, ok, type Result } from '../result.ts';
import { readDirectiveLines } from './directive-lines.ts';
import { parseSlurmTime } from './duration.ts';
import { expandNodeList } from './node-list.ts';
import type { JobRequest } from './scheduler.ts';

/**
 * The `#SBATCH` lines of a batch script, read as sbatch reads them: for the clusters that have no sbatch.
 * Options that mean nothing there (account, QOS, …) are accepted and passed over. Source: sbatch(1).
 */
export type Directives = {
  readonly jobName?: string;
  readonly comment: string;
  /** Pattern: `%j` is the id, `%x` the name. */
  readonly output?: string;
  readonly appendOutput: boolean;
  readonly request: JobRequest;
  /** Sent to the batch shell this long before the time limit. */
  readonly warning?: Warning;
};
export type Warning = {
  /** Without `SIG`: `USR1`. */
  readonly signal: string;
  readonly beforeSeconds: number;
};

/** @returns or sbatch's own words about what it refuses */
export function readDirectives(script: string): Result<Directives, string> {
  const read = readDirectiveLines(script);
  return read.ok ? assemble(read.value) : read;
}

function assemble(values: ReadonlyMap<string, string>): Result<Directives, string> {
  const time = values.get('time');
  const timeLimitSeconds = time === undefined ? Number.POSITIVE_INFINITY : parseSlurmTime(time);
  if (timeLimitSeconds === undefined) return err('Invalid --time specification');
  const nodes = count(values.get('nodes') ?? '1');
  if (nodes === undefined) return err(`Invalid node count: ${values.get('nodes')}`);
  const cpusPerTask = count(values.get('cpus-per-task') ?? '1');
  const tasksPerNode = count(values.get('ntasks-per-node') ?? '1');
  if (cpusPerTask === undefined || tasksPerNode === undefined) return err('Invalid numeric value for a CPU count');
  const gpusPerNode = readGpus(values, nodes);
  if (gpusPerNode === undefined) return err('Invalid generic resource (gres) specification');
  const exclude = nodeNames(values.get('exclude'));
  const nodelist = nodeNames(values.get('nodelist'));
  if (!exclude || !nodelist) return err('Invalid node name specified');
  const warning = readWarning(values.get('signal'));
  const jobName = values.get('job-name');
  const output = values.get('output');
  return ok({
    ...(jobName !== undefined && { jobName }),
    ...(output !== undefined && { output }),
    ...(warning && { warning }),
    comment: values.get('comment') ?? '',
    appendOutput: values.get('open-mode') === 'append',
    request: {
      nodes,
      cpusPerNode: cpusPerTask * tasksPerNode,
      gpusPerNode,
      timeLimitSeconds: timeLimitSeconds === 0 ? Number.POSITIVE_INFINITY : timeLimitSeconds,
      partitions: values.get('partition')?.split(',') ?? [],
      exclude,
      nodelist,
      singleton: values.get('dependency')?.split(',').includes('singleton') ?? false,
    },
  });
}

function count(text: string): number | undefined {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}

/** `--gpus` counts for the whole job, the others for each node. Undefined: asks for what no node here has. */
function readGpus(values: ReadonlyMap<string, string>, nodes: number): number | undefined {
  const perJob = values.get('gpus');
  const gres = values.get('gres') ?? asGres(values.get('gpus-per-node') ?? perJob);
  if (gres === undefined || gres === '') return 0;
  const counts = gres.split(',').map(gpuCount);
  if (counts.some((one) => one === undefined)) return undefined;
  const sum = counts.reduce<number>((total, one) => total + (one ?? 0), 0);
  return values.has('gres') || values.has('gpus-per-node') ? sum : Math.ceil(sum / nodes);
}

const asGres = (gpus: string | undefined): string | undefined => (gpus === undefined ? undefined : `gpu:${gpus}`);

/** `gpu`, `gpu:4`, `gpu:h100`, `gpu:h100:4`: a word of digits alone is the count. */
function gpuCount(gres: string): number | undefined {
  const match = /^(?:gres[:/])?gpu(?::(?!\d+$)[A-Za-z0-9_.-]+)?(?::(\d{1,4}))?$/.exec(gres);
  return match ? Number(match[1] ?? 1) : undefined;
}

function nodeNames(text: string | undefined): readonly string[] | undefined {
  return text === undefined || text === '' ? [] : expandNodeList(text);
}

/** `B:USR1@120`; 60 seconds when it does not say. Without the `B` it is for the steps, not for the script. */
function readWarning(text: string | undefined): Warning | undefined {
  const match = /^R?BR?:(?:SIG)?([A-Z0-9]+)(?:@(\d{1,5}))?$/.exec(text ?? '');
  return match ? { signal: match[1] as string, beforeSeconds: Number(match[2] ?? 60) } : undefined;
}
