import { Command } from 'commander';
import { problemLine } from '../api/problem-line.ts';
import type { Resource } from '../api/resource.ts';
import type { Spec } from '../api/spec.ts';
import type { Status } from '../api/status.ts';
import type { DeploymentEvent } from '../controller/events.ts';
import { failurePage, pendingPage } from '../decide/troubleshooting.ts';
import { isNamed, nameOf, placeText } from '../launch/places.ts';
import { servedName } from '../launch/served.ts';
import { readEvents } from '../telemetry/event-files.ts';
import { type Cli, EXIT, examples, print, printable } from './cli.ts';
import { namespaceOption, withDeployment } from './deployments.ts';
import { spanWords } from './spans.ts';
import { alignedLines } from './table.ts';

export function describeCommand(cli: Cli): Command {
  const command = new Command('describe')
    .description('everything known of one deployment: conditions, jobs, last failure, what to do')
    .argument('<name>')
    .addOption(namespaceOption())
    .action(async (name: string, { namespace }: { readonly namespace: string }, self: Command) =>
      cli.exit(
        await withDeployment(cli, self, { namespace, name }, async (resource, { settings }) => {
          const events = await readEvents(settings.directory, resource.key);
          print(cli, printable(description(resource, events, cli.clock.now())));
          return EXIT.ok;
        }),
      ),
    );
  return examples(command, [['vllm-slurm describe qwen', 'why it is not running, and what to do about it']]);
}

/**
 * @param events newest last
 * @param now epoch, ms
 */
export function description(resource: Resource, events: readonly DeploymentEvent[], now: number): string {
  const { spec, status } = resource;
  return [
    ...pairs([
      ['Name', resource.key.name],
      ['Namespace', resource.key.namespace],
      ['Created', `${new Date(resource.createdMs).toISOString()} (${spanWords(now - resource.createdMs)} ago)`],
      [
        'Deleting',
        resource.deletingSinceMs === undefined ? undefined : `for ${spanWords(now - resource.deletingSinceMs)}`,
      ],
      ['Generation', generationWords(resource)],
      ['Phase', status.phase],
      ['URL', status.url],
      ...(spec ? specPairs(spec) : []),
      ['Replicas', replicaWords(spec, status)],
      ['Restarts', status.restarts === undefined ? undefined : String(status.restarts)],
    ]),
    ...section('Problems', resource.problems.map(problemLine)),
    ...section('Why not ready', whyLines(status)),
    ...section('Places', spec ? placeLines(spec, status) : []),
    ...section('Conditions', conditionLines(status, now)),
    ...section('Endpoints', endpointLines(status)),
    ...section('Jobs', jobLines(status, now)),
    ...section('Excluded nodes', excludedLines(status, now)),
    ...section('Last failure', failureLines(status, now)),
    ...section('Events', eventLines(events, now)),
  ].join('\n');
}

type Pair = readonly [string, string | undefined];

function specPairs({ model, engine, resources, slurm, runtime, suspend }: Spec): readonly Pair[] {
  const gpus = `${resources.gpusPerNode} GPU${resources.gpusPerNode === 1 ? '' : 's'}${resources.gpuType ? ` (${resources.gpuType})` : ''}`;
  const asks = [
    `${resources.nodes} node${resources.nodes === 1 ? '' : 's'} with ${gpus}`,
    resources.cpusPerTask === undefined ? undefined : `${resources.cpusPerTask} CPUs`,
    resources.memory === undefined ? undefined : `memory ${resources.memory}`,
    resources.memoryPerGpu === undefined ? undefined : `memory ${resources.memoryPerGpu} a GPU`,
  ];
  const where = [
    slurm.cluster && `cluster ${slurm.cluster}`,
    slurm.partitions.length > 0 ? `partition ${slurm.partitions.join(',')}` : undefined,
    slurm.account && `account ${slurm.account}`,
    slurm.qos && `qos ${slurm.qos}`,
    slurm.time && `time ${slurm.time}`,
    slurm.reservation && `reservation ${slurm.reservation}`,
  ];
  return [
    [
      'Model',
      `${model.uri}${model.revision ? `@${model.revision}` : ''}, served as ${[servedName({ model }), ...model.aliases].join(', ')}`,
    ],
    [
      'Engine',
      engine.type === 'stand-in'
        ? 'stand-in (a trial server, no model)'
        : `vllm, ${runtime.image ?? runtime.venv ?? runtime.type}`,
    ],
    ['Resources', joined(asks)],
    ['Slurm', joined(where)],
    ['Suspended', suspend ? 'yes' : undefined],
  ];
}

function joined(parts: readonly (string | undefined)[]): string | undefined {
  const said = parts.filter((part) => part !== undefined);
  return said.length === 0 ? undefined : said.join(', ');
}

function generationWords({ generation, status }: Resource): string {
  if (status.observedGeneration === generation) return String(generation);
  return `${generation}, the operator has seen ${status.observedGeneration ?? 'none'} of it yet`;
}

function replicaWords(spec: Spec | undefined, status: Status): string {
  return [
    `${spec?.replicas ?? '?'} desired`,
    `${status.replicas ?? 0} with a job`,
    `${status.readyReplicas ?? 0} ready`,
    `${status.updatedReplicas ?? 0} of the present spec`,
  ].join(' | ');
}

/** What a person asks first: the Ready condition's own words, then what each waiting job waits for. */
function whyLines({ conditions, jobs }: Status): readonly string[] {
  const ready = conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status === 'True') return [];
  return [
    ...(ready ? [`${ready.reason}: ${ready.message}`] : []),
    ...(jobs ?? []).flatMap(({ jobId, reason = '', explanation }) =>
      explanation ? [`job ${jobId}: ${explanation}`, ...pageLine(pendingPage(reason))] : [],
    ),
  ];
}

/** As the spec has them, the one its next job is for and those that were left marked. */
function placeLines({ slurm: { places = [] } }: Spec, { place: chosen, triedPlaces = [] }: Status): readonly string[] {
  const rows = places.map((place) => {
    const left = triedPlaces.find((one) => isNamed(place, one));
    return [
      isNamed(place, chosen) ? '*' : '',
      placeText(nameOf(place)),
      left?.expectedStartTime ?? '',
      left?.why ?? '',
    ];
  });
  return tableLines(['AT', 'PLACE', 'EXPECTED-START', 'LEFT BECAUSE'], rows);
}

function pageLine(page: string | undefined): readonly string[] {
  return page === undefined ? [] : [`  see ${page}`];
}

function conditionLines({ conditions = [] }: Status, now: number): readonly string[] {
  const rows = conditions.map(({ type, status, reason, message, lastTransitionTime }) => [
    type,
    status,
    ago(lastTransitionTime, now),
    reason,
    message,
  ]);
  return tableLines(['TYPE', 'STATUS', 'SINCE', 'REASON', 'MESSAGE'], rows);
}

function endpointLines({ endpoints = [] }: Status): readonly string[] {
  const rows = endpoints.map(({ replica, url, node, jobId, role, ready }) => [
    String(replica),
    url,
    node,
    jobId,
    role,
    ready ? 'yes' : 'no',
  ]);
  return tableLines(['REPLICA', 'URL', 'NODE', 'JOB', 'ROLE', 'READY'], rows);
}

function jobLines({ jobs = [] }: Status, now: number): readonly string[] {
  const rows = jobs.map((job) => [
    String(job.replica),
    String(job.attempt),
    job.jobId,
    job.state,
    job.reason ?? '-',
    job.partition ?? '-',
    job.nodes?.join(',') || '-',
    ago(job.submitTime, now),
    job.startTime ? ago(job.startTime, now) : (job.expectedStartTime ?? '-'),
    ago(job.endTime, now),
    job.exitCode === undefined ? '-' : String(job.exitCode),
  ]);
  return tableLines(
    ['REPLICA', 'ATTEMPT', 'JOB', 'STATE', 'REASON', 'PARTITION', 'NODES', 'SUBMITTED', 'STARTED', 'ENDED', 'EXIT'],
    rows,
  );
}

function excludedLines({ excludedNodes = [] }: Status, now: number): readonly string[] {
  return excludedNodes.map(
    ({ name, reason, until }) => `${name}: ${reason}, for another ${spanWords(Date.parse(until) - now)}`,
  );
}

function failureLines({ lastFailure: failure }: Status, now: number): readonly string[] {
  if (!failure) return [];
  return [
    ...pairs([
      ['Reason', failure.reason],
      ['When', ago(failure.time, now)],
      ['Replica', `${failure.replica}, attempt ${failure.attempt}`],
      ['Job', failure.jobId],
      ['Node', failure.node],
      ['Exit code', failure.exitCode === undefined ? undefined : String(failure.exitCode)],
      ['Message', failure.message],
      ['Advice', failure.advice],
      ['See', failurePage(failure.reason)],
    ]),
    ...(failure.logTail
      ? [
          'Log:',
          ...failure.logTail
            .trimEnd()
            .split('\n')
            .map((line) => `  | ${line}`),
        ]
      : []),
  ];
}

const MOST_EVENTS = 12;

function eventLines(events: readonly DeploymentEvent[], now: number): readonly string[] {
  const rows = events
    .slice(-MOST_EVENTS)
    .map(({ time, type, reason, message }) => [type, reason, ago(time, now), message]);
  return tableLines(['TYPE', 'REASON', 'AGE', 'MESSAGE'], rows);
}

function ago(time: string | undefined, now: number): string {
  return time === undefined ? '-' : `${spanWords(now - Date.parse(time))} ago`;
}

function pairs(all: readonly Pair[]): readonly string[] {
  const said = all.flatMap(([name, text]) => (text === undefined || text === '' ? [] : [[`${name}:`, text] as const]));
  return alignedLines(said);
}

function tableLines(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  return rows.length === 0 ? [] : alignedLines([head, ...rows]);
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)];
}
