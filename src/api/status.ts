import { z } from 'zod';

/** What the operator tells of a deployment. Times are RFC 3339, UTC. Nothing in it moves by itself. */
const time = z.string().max(40).meta({ format: 'date-time' });
const text = (max: number) => z.string().max(max);

export const Condition = z.object({
  type: text(64),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: text(128),
  message: text(4096),
  lastTransitionTime: time,
  observedGeneration: z.int().optional(),
});

export const Endpoint = z.object({
  replica: z.int(),
  url: text(512).describe('OpenAI-compatible base, without `/v1`.'),
  node: text(256),
  port: z.int(),
  jobId: text(32),
  role: z.enum(['Serving', 'Warming', 'Draining']),
  ready: z.boolean(),
  since: time,
});

export const JobStatus = z.object({
  replica: z.int(),
  attempt: z.int(),
  jobId: text(32),
  cluster: text(63).optional().describe('Where it runs, of several clusters.'),
  state: text(32).describe("SLURM's word."),
  reason: text(256).optional(),
  explanation: text(1024).optional().describe('The reason in a sentence, with the next step.'),
  partition: text(256).optional(),
  nodes: z.array(text(256)).max(64).optional(),
  submitTime: time.optional(),
  expectedStartTime: time.optional(),
  startTime: time.optional(),
  endTime: time.optional(),
  exitCode: z.int().optional(),
  log: text(1024).optional().describe('Its log, of all its nodes: a file on a file system the compute nodes share.'),
});

export const Failure = z.object({
  reason: text(64),
  message: text(2048),
  advice: text(2048).optional(),
  replica: z.int(),
  attempt: z.int(),
  node: text(256).optional(),
  jobId: text(32).optional(),
  exitCode: z.int().optional(),
  logTail: text(4096).optional(),
  time,
});

/** One of `spec.slurm.places`, by what it says. */
const PlaceName = z.object({
  cluster: text(63).optional(),
  partitions: z.array(text(128)).max(16).optional(),
});

/** Left without a job having run there. */
export const TriedPlace = PlaceName.extend({
  why: text(512).describe('Why the next one was tried.'),
  expectedStartTime: time.optional().describe("SLURM's last guess for a job there."),
  refused: z.boolean().optional().describe('SLURM took no job there.'),
});

/** One replica's memory: what must survive a restart of the operator and is in no job. */
export const ReplicaRecord = z.object({
  replica: z.int(),
  attempt: z.int().describe('The newest attempt claimed for this replica; written before it is submitted.'),
  specHash: text(64).optional().describe('Of the spec that attempt was rendered from.'),
  partitions: z
    .array(text(128))
    .max(16)
    .optional()
    .describe('Of the place that attempt was submitted at, where the spec has places.'),
  excluded: z
    .array(text(256))
    .max(64)
    .optional()
    .describe('Nodes that attempt was kept off after failures; a queued job keeps the list it was submitted with.'),
  jobId: text(32).optional().describe('The job SLURM acknowledged or showed for that attempt.'),
  submitTime: time.optional().describe('When its last submission began.'),
  nonce: text(64).optional().describe('Of its last submission: its job carries it.'),
  doubtUntil: time.optional().describe('The submission may still land until then.'),
  seen: z.boolean().optional().describe('A listing has shown the job.'),
  missingSince: time.optional().describe('The job is in no complete listing since then.'),
  settledAttempt: z
    .int()
    .describe('Attempts up to this one were judged, once; a job of theirs that still lives is cancelled.'),
  abandoned: text(32)
    .optional()
    .describe(
      'The job, ID@SUBMIT in ms, that was last given up because it did not answer any more. It ends when its first node is back or known to be lost, and no attempt waits for that.',
    ),
  failures: z
    .array(z.object({ time, spends: z.boolean() }))
    .max(101)
    .describe('Failures within restartPolicy.windowSeconds, oldest first; those that spend count against maxRestarts.'),
  retryTime: time.optional().describe('No submission before this time.'),
  retryReason: text(64).optional().describe('Why it has to wait.'),
  held: z
    .object({ reason: text(64), generation: z.int() })
    .optional()
    .describe('Given up until the spec moves past this generation.'),
  retired: z
    .boolean()
    .optional()
    .describe('The slot is not wanted at present; kept so that attempts are numbered upwards for ever.'),
});

export const ExcludedNode = z.object({ name: text(256), reason: text(64), until: time });

export const Status = z.object({
  observedGeneration: z.int().optional(),
  phase: z
    .enum([
      'Pending',
      'Queued',
      'Starting',
      'Running',
      'Degraded',
      'Failed',
      'Stalled',
      'Suspended',
      'Deleting',
      'Invalid',
      'Unknown',
    ])
    .optional()
    .describe('For people; programs read conditions.'),
  cluster: text(63)
    .optional()
    .describe('Of several clusters the one that may hold jobs of it; written before the first is submitted.'),
  place: PlaceName.optional().describe('Of several places the one its next job is for.'),
  triedPlaces: z.array(TriedPlace).max(8).optional().describe('Places left since a job last ran.'),
  model: text(1024).optional().describe('Where the weights are, as the spec says or its preset does.'),
  replicas: z.int().optional().describe('Replicas with a live job.'),
  readyReplicas: z.int().optional().describe('Replicas whose endpoint answers.'),
  updatedReplicas: z.int().optional().describe('Replicas whose job comes from the present spec.'),
  selector: text(512).optional(),
  url: text(512).optional().describe('An endpoint that answers.'),
  endpoints: z.array(Endpoint).max(512).optional(),
  jobs: z.array(JobStatus).max(1024).optional(),
  records: z.array(ReplicaRecord).max(512).optional(),
  users: z
    .array(text(64))
    .max(64)
    .optional()
    .describe(
      'SLURM users, besides the operator’s own, who have jobs of it that live, may still land, or are not judged yet.',
    ),
  restarts: z.int().optional().describe('Attempts that replaced a failed one, ever.'),
  lastFailure: Failure.optional(),
  excludedNodes: z.array(ExcludedNode).max(64).optional(),
  conditions: z
    .array(Condition)
    .max(16)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }),
});

export type Status = z.infer<typeof Status>;
export type Condition = z.infer<typeof Condition>;
export type Endpoint = z.infer<typeof Endpoint>;
export type JobStatus = z.infer<typeof JobStatus>;
export type Failure = z.infer<typeof Failure>;
export type ReplicaRecord = z.infer<typeof ReplicaRecord>;
export type PlaceName = z.infer<typeof PlaceName>;
export type TriedPlace = z.infer<typeof TriedPlace>;
export type ExcludedNode = z.infer<typeof ExcludedNode>;
