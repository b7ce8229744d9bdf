import type { Resource } from './resource.ts';

/**
 * A column of the table people look at, told twice: as `kubectl get` reads it from the API (`jsonPath`),
 * and as our own `get` reads it from a resource.
 */
export type Column = {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  /** 0 is always shown, 1 with `-o wide`. */
  readonly priority: 0 | 1;
  readonly description: string;
  readonly jsonPath: string;
  /** undefined: nothing to show. Dates are epoch ms. */
  readonly read: (resource: Resource) => string | number | undefined;
};

export const COLUMNS: readonly Column[] = [
  {
    name: 'Model',
    type: 'string',
    priority: 0,
    description: 'Where the weights are.',
    // What a preset says of it the API server does not know: the operator tells.
    jsonPath: '.status.model',
    read: ({ spec, status }) => spec?.model.uri ?? status.model,
  },
  {
    name: 'Ready',
    type: 'integer',
    priority: 0,
    description: 'Replicas whose endpoint answers.',
    jsonPath: '.status.readyReplicas',
    read: ({ status }) => status.readyReplicas,
  },
  {
    name: 'Desired',
    type: 'integer',
    priority: 0,
    description: 'Replicas asked for.',
    jsonPath: '.spec.replicas',
    read: ({ spec }) => spec?.replicas,
  },
  {
    name: 'Phase',
    type: 'string',
    priority: 0,
    description: 'Where it stands, for people.',
    jsonPath: '.status.phase',
    read: ({ status }) => status.phase,
  },
  {
    name: 'URL',
    type: 'string',
    priority: 0,
    description: 'An endpoint that answers.',
    jsonPath: '.status.url',
    read: ({ status }) => status.url,
  },
  {
    name: 'Reason',
    type: 'string',
    priority: 0,
    description: 'Of the Ready condition.',
    jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
    read: ({ status }) => status.conditions?.find(({ type }) => type === 'Ready')?.reason,
  },
  {
    name: 'Jobs',
    type: 'string',
    priority: 1,
    description: 'SLURM jobs.',
    jsonPath: '.status.jobs[*].jobId',
    read: ({ status }) => list(status.jobs?.map(({ jobId }) => jobId)),
  },
  {
    name: 'Nodes',
    type: 'string',
    priority: 1,
    description: 'Nodes of the jobs.',
    jsonPath: '.status.jobs[*].nodes[*]',
    read: ({ status }) => list(status.jobs?.flatMap(({ nodes }) => nodes ?? [])),
  },
  {
    name: 'Cluster',
    type: 'string',
    priority: 1,
    description: 'Where its jobs are, of several clusters.',
    jsonPath: '.status.cluster',
    read: ({ status }) => status.cluster,
  },
  {
    name: 'Partition',
    type: 'string',
    priority: 1,
    description: 'Partitions of the jobs.',
    jsonPath: '.status.jobs[*].partition',
    read: ({ status }) => list(status.jobs?.map(({ partition }) => partition)),
  },
  {
    name: 'Expected-Start',
    type: 'string',
    priority: 1,
    description: 'When SLURM expects a waiting job to start; a string, for kubectl prints a future date as invalid.',
    jsonPath: '.status.jobs[*].expectedStartTime',
    read: ({ status }) => list(status.jobs?.map(({ expectedStartTime }) => expectedStartTime)),
  },
  {
    name: 'Restarts',
    type: 'integer',
    priority: 1,
    description: 'Attempts that replaced a failed one.',
    jsonPath: '.status.restarts',
    read: ({ status }) => status.restarts,
  },
  {
    name: 'Age',
    type: 'date',
    priority: 0,
    description: 'Since the resource was made.',
    jsonPath: '.metadata.creationTimestamp',
    read: ({ createdMs }) => createdMs,
  },
];

function list(words: readonly (string | undefined)[] | undefined): string | undefined {
  const said = [...new Set((words ?? []).filter((word) => word !== undefined && word !== ''))];
  return said.length === 0 ? undefined : said.join(',');
}
