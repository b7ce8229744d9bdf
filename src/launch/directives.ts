import type { Spec } from '../api/spec.ts';
import { parseSlurmTime } from '../slurm/duration.ts';
import { jobName, marker } from '../slurm/identity.ts';
import { quoteDirective } from './quote.ts';
import type { LaunchInput } from './script.ts';

/** Seconds before the end of the allocation at which the job is told to drain. Slurm may be 60 s early. */
const DRAIN_NOTICE_SECONDS = 120;
/** A shorter allocation is used up whole: a warning would take much of it, or come at its very start. */
const WARNED_FROM_SECONDS = 600;

/** The `#SBATCH` lines of one attempt, in the order sbatch reads them. Source: sbatch(1). */
export function directives(input: LaunchInput): readonly string[] {
  return directiveLines([...identityOptions(input), ...requestOptions(input)]);
}

/** What is asked of Slurm, whoever asks. */
export function requestOptions(input: Pick<LaunchInput, 'spec' | 'site' | 'excludedNodes'>): readonly Option[] {
  return [
    ...resourceOptions(input.spec),
    ...placementOptions(input),
    ...input.spec.slurm.extraArgs.map((option): Option => [option]),
  ];
}

/** A value of undefined is an option without one. */
export type Option = readonly [name: string, value?: string];

export function directiveLines(options: readonly Option[]): readonly string[] {
  return options.map(([name, value]) =>
    value === undefined ? `#SBATCH ${name}` : `#SBATCH ${name}=${quoteDirective(value)}`,
  );
}

function identityOptions({ identity, site }: LaunchInput): readonly Option[] {
  return [
    ['--job-name', jobName(identity)],
    ['--comment', marker(identity)],
    // Slurm reads % and \ in this path for itself.
    ['--output', `${site.logDirectory.replaceAll('%', '%%')}/%x-%j.log`],
    ['--open-mode', 'append'],
    // The operator's environment, and what secrets it holds, stays with the operator: the job gets its user's login
    // environment on the node. SLURM_* is passed all the same, so what submits must not hold a SLURM_JWT.
    ['--export', 'NONE'],
    // A requeued job would wait two minutes and keep its id: we submit a new attempt instead.
    ['--no-requeue'],
    // Twins of one attempt, after a submission of unknown fate, never run together.
    ['--dependency', 'singleton'],
  ];
}

function resourceOptions({ resources }: Spec): readonly Option[] {
  const { nodes, gpusPerNode, gpuType, cpusPerTask, memory, memoryPerGpu } = resources;
  return [
    ['--nodes', String(nodes)],
    ['--ntasks-per-node', '1'],
    ...option('--gres', gpusPerNode > 0 ? ['gpu', gpuType, gpusPerNode].filter(Boolean).join(':') : undefined),
    ...option('--cpus-per-task', cpusPerTask),
    ...option('--mem', memory),
    ...option('--mem-per-gpu', memoryPerGpu),
  ];
}

function placementOptions({
  spec,
  site,
  excludedNodes,
}: Pick<LaunchInput, 'spec' | 'site' | 'excludedNodes'>): readonly Option[] {
  const { slurm } = spec;
  const time = slurm.time ?? site.defaults.time;
  const partitions = slurm.partitions.length > 0 ? slurm.partitions : site.defaults.partitions;
  return [
    ...option('--partition', listed(partitions)),
    ...option('--account', slurm.account ?? site.defaults.account),
    ...option('--qos', slurm.qos ?? site.defaults.qos),
    ...option('--time', time),
    ...option('--signal', drainSignal(time)),
    ...option('--reservation', slurm.reservation),
    ...option('--constraint', slurm.constraint),
    ...option('--nodelist', listed(slurm.nodelist)),
    ...option('--exclude', listed([...slurm.exclude, ...excludedNodes])),
    ...option('--licenses', slurm.licenses),
  ];
}

/** To the batch shell alone (`B:`), which passes on what each part of the job shall hear. */
function drainSignal(time: string | undefined): string | undefined {
  const limit = time === undefined ? undefined : parseSlurmTime(time);
  const isWarned = limit !== undefined && Number.isFinite(limit) && limit >= WARNED_FROM_SECONDS;
  return isWarned ? `B:USR1@${DRAIN_NOTICE_SECONDS}` : undefined;
}

const option = (name: string, value: string | number | undefined): readonly Option[] =>
  value === undefined ? [] : [[name, String(value)]];

const listed = (names: readonly string[]): string | undefined =>
  names.length > 0 ? [...new Set(names)].join(',') : undefined;
