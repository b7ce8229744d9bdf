import { EMPTY_CATALOG } from '../api/catalog.ts';
import { problemLine } from '../api/problem-line.ts';
import type { SpecProblem } from '../api/resource.ts';
import type { Condition, Endpoint, Failure, JobStatus, Status } from '../api/status.ts';
import { rfc3339 } from '../api/time.ts';
import { fitWarnings } from '../launch/fit.ts';
import { logPath } from '../launch/site.ts';
import { type ConditionDraft, withTransitions } from './conditions.ts';
import { cut } from './cut.ts';
import { explain } from './explain.ts';
import type { Observation, OwnJob, SlurmView } from './observation.ts';
import { ofCluster } from './of-cluster.ts';
import { type Draft, SLOT_STATES, type Step } from './step.ts';
import { formerUsers, usersOf } from './users.ts';

/** Puts a turn's conclusions into the words of the status. Nothing in it moves by itself. */
export function summarize(seen: Observation, draft: Draft): Status {
  const { resource } = seen;
  const { steps } = draft;
  const ready = steps.filter((step) => step.state === 'ready');
  const endpoints = endpointsOf(seen, steps);
  const failure = newest(steps.map((step) => step.failure)) ?? resource.status.lastFailure;
  const records = [...steps.map((step) => step.record), ...draft.retiredRecords].sort((a, b) => a.replica - b.replica);
  const restarts =
    (resource.status.restarts ?? 0) +
    steps.filter((step) => step.failure && step.failure.jobId !== undefined && step.state !== 'held').length;
  return withoutUndefined({
    observedGeneration: resource.generation,
    phase: phaseOf(seen, steps),
    cluster: seen.whereabouts.recorded,
    place: draft.choice?.place,
    triedPlaces: draft.choice && draft.choice.tried.length > 0 ? [...draft.choice.tried] : undefined,
    model: resource.spec?.model.uri,
    replicas: new Set(draft.jobs.filter((job) => job.phase !== 'ended').map((job) => job.identity.replica)).size,
    readyReplicas: ready.length,
    updatedReplicas: steps.filter((step) => step.job && step.job.phase !== 'ended' && !step.outdated).length,
    selector: `vllm-slurm.dev/name=${resource.key.name}`,
    url: urlOf(endpoints, resource.status.url),
    endpoints,
    jobs: steps.flatMap((step) =>
      step.job ? [jobStatus(seen, step.record.replica, step.job, previousJob(resource.status, step.job))] : [],
    ),
    records,
    users: usersOf(seen, draft, records),
    restarts,
    lastFailure: failure,
    excludedNodes: draft.excludedNodes.length > 0 ? [...draft.excludedNodes] : undefined,
    conditions: withTransitions(
      conditionsOf(seen, steps, failure),
      resource.status.conditions ?? [],
      resource.generation,
      seen.now,
    ),
  });
}

/** While Slurm cannot be believed: what was known stays, only the endpoints' own answers are news. */
export function summarizeHold(seen: Observation, known: readonly Omit<Endpoint, 'since'>[], why: string): Status {
  const { resource } = seen;
  const before = resource.status;
  const endpoints = withSince(seen, known);
  const ready = endpoints.filter((endpoint) => endpoint.ready).length;
  const desired = desiredReplicas(seen);
  const observed = before.observedGeneration === resource.generation;
  const idle = observed && desired === 0 && (before.replicas ?? 0) === 0;
  const allReady = observed && desired > 0 && ready >= desired && before.updatedReplicas === desired;
  const reason = seen.viewSuspect ? 'SlurmViewSuspect' : 'SlurmUnreachable';
  const tally = `${ready} of ${desired} replicas answer`;
  // What needs no word of Slurm's is said as ever: a spec that is no good, a deployment that wants nothing.
  const readiness: ConditionDraft =
    idle || resource.problems.length > 0
      ? readyCondition(seen, [], undefined)
      : {
          type: 'Ready',
          status: allReady ? 'True' : 'False',
          reason: allReady ? 'Ready' : reason,
          message: `${tally}; nothing is changed while SLURM cannot be believed`,
        };
  const drafts: ConditionDraft[] = [
    readiness,
    ...(resource.problems.length > 0 ? [invalidSpec(resource.problems)] : []),
    {
      type: 'Available',
      status: ready > 0 ? 'True' : 'False',
      reason: ready > 0 ? 'EndpointAnswers' : 'NoEndpoint',
      message: tally,
    },
    {
      type: 'SlurmReachable',
      status: 'False',
      reason,
      message: `${aboutCluster(seen)}${why}; jobs are left as they are, asking again`,
    },
  ];
  const kept = (before.conditions ?? []).filter(
    ({ type, reason: because }) =>
      !drafts.some((draft) => draft.type === type) &&
      !(type === 'Stalled' && because === 'InvalidSpec') &&
      !(type === 'Reconciling' && (readiness.status === 'True' || resource.problems.length > 0)),
  );
  return withoutUndefined({
    ...before,
    // Not yet observed: nothing was done for it. The conditions speak of the generation they were made for.
    model: resource.spec?.model.uri ?? before.model,
    phase: idle ? phaseOf(seen, []) : allReady ? 'Running' : ready > 0 ? 'Degraded' : 'Unknown',
    readyReplicas: ready,
    url: urlOf(endpoints, before.url),
    endpoints,
    conditions: withTransitions(
      [...drafts, ...kept],
      before.conditions ?? [],
      before.observedGeneration ?? resource.generation,
      seen.now,
    ),
  });
}

export function summarizeDeletion(seen: Observation, message: string): Status {
  const before = seen.resource.status;
  const { url: _, ...rest } = before;
  const drafts: ConditionDraft[] = [
    { type: 'Ready', status: 'False', reason: 'Deleting', message },
    { type: 'Reconciling', status: 'True', reason: 'Deleting', message },
    { type: 'Available', status: 'False', reason: 'Deleting', message: 'the deployment is being deleted' },
    slurmReachable(seen),
  ];
  return withoutUndefined({
    ...rest,
    observedGeneration: seen.resource.generation,
    phase: 'Deleting',
    readyReplicas: 0,
    endpoints: [],
    conditions: withTransitions(drafts, before.conditions ?? [], seen.resource.generation, seen.now),
  });
}

function conditionsOf(
  seen: Observation,
  steps: readonly Step[],
  failure: Failure | undefined,
): readonly ConditionDraft[] {
  const problems = seen.resource.problems;
  const ready = readyCondition(seen, steps, failure);
  const stalled = stalledCondition(problems, steps, failure);
  const running = steps.filter((step) => step.job?.phase === 'running').length;
  const answering = steps.filter((step) => step.state === 'ready').length;
  const count = (n: number, what: string): string => `${n} of ${steps.length} replicas ${what}`;
  const tally = (type: string, n: number, yes: string, no: string, what: string): ConditionDraft => ({
    type,
    status: n === steps.length && n > 0 ? 'True' : 'False',
    reason: n === steps.length && n > 0 ? yes : steps.length === 0 ? 'NoReplicas' : no,
    message: count(n, what),
  });
  return [
    ready,
    ...(stalled ? [stalled] : []),
    ...(!stalled && ready.status === 'False' && steps.length > 0
      ? [{ type: 'Reconciling', status: 'True' as const, reason: ready.reason, message: ready.message }]
      : []),
    {
      type: 'Available',
      status: answering > 0 ? 'True' : 'False',
      reason: answering > 0 ? 'EndpointAnswers' : 'NoEndpoint',
      message: count(answering, 'answer'),
    },
    tally('Scheduled', running, 'Allocated', 'NotAllocated', 'have an allocation'),
    tally('ModelLoaded', answering, 'Loaded', 'NotLoaded', 'have loaded the model'),
    ...modelFits(seen),
    slurmReachable(seen),
  ];
}

function readyCondition(seen: Observation, steps: readonly Step[], failure: Failure | undefined): ConditionDraft {
  const { resource } = seen;
  const say = (status: 'True' | 'False', reason: string, message: string): ConditionDraft => ({
    type: 'Ready',
    status,
    reason,
    message,
  });
  if (resource.problems.length > 0)
    return say(
      'False',
      'InvalidSpec',
      problemText(resource.problems, resource.spec !== undefined, resource.specGeneration),
    );
  if (resource.spec?.suspend) return say('False', 'Suspended', 'spec.suspend is true: no jobs are kept');
  if (steps.length === 0) return say('True', 'ScaledToZero', 'spec.replicas is 0: nothing is to be served');
  const worst = worstOf(steps);
  const answering = steps.filter((step) => step.state === 'ready').length;
  const tally = `${answering} of ${steps.length} replicas answer`;
  if (!worst) return say('True', 'Ready', tally);
  const because = causeOf(worst, failure);
  return say(
    'False',
    worst.reason,
    `${tally}; replica ${worst.record.replica}: ${worst.message}${because === undefined ? '' : `: ${because}`}`,
  );
}

/** There only while it is in doubt, from before the first submission on; nothing is refused for it. */
function modelFits({ resource, site }: Observation): readonly ConditionDraft[] {
  if (!resource.spec) return [];
  const warnings = fitWarnings(resource.spec, site.catalog ?? EMPTY_CATALOG, site.hardware);
  if (warnings.length === 0) return [];
  const message = cut(warnings.map(problemLine).join('; '), PROBLEMS_CHARS);
  return [{ type: 'ModelFits', status: 'False', reason: 'TooSmall', message }];
}

/** The failure in words, where it is this very replica's and the reason it stands where it does. */
function causeOf(step: Step, failure: Failure | undefined): string | undefined {
  if (failure?.replica !== step.record.replica) return undefined;
  if (failure.reason !== step.reason && step.record.held === undefined) return undefined;
  return failure.advice === undefined ? failure.message : `${failure.message}; ${failure.advice}`;
}

function stalledCondition(
  problems: readonly SpecProblem[],
  steps: readonly Step[],
  failure: Failure | undefined,
): ConditionDraft | undefined {
  if (problems.length > 0) return invalidSpec(problems);
  const stuck = worstOf(steps);
  if (!stuck || !isStuck(stuck)) return undefined;
  return {
    type: 'Stalled',
    status: 'True',
    reason: stuck.reason,
    message: `replica ${stuck.record.replica}: ${causeOf(stuck, failure) ?? stuck.message}`,
  };
}

/** Also while an older spec serves on, where waiting never brings the present one. */
function isStuck({ state, reason }: Step): boolean {
  return state === 'held' || state === 'blocked' || reason === 'NotAllowed' || reason === 'UnknownCluster';
}

function invalidSpec(problems: readonly SpecProblem[]): ConditionDraft {
  return {
    type: 'Stalled',
    status: 'True',
    reason: 'InvalidSpec',
    message: problems.map(problemLine).join('; '),
  };
}

const aboutCluster = ({ whereabouts: { recorded } }: Observation): string =>
  recorded === undefined ? '' : `cluster ${recorded}: `;

function slurmReachable(seen: Observation): ConditionDraft {
  return seen.slurm.known
    ? {
        type: 'SlurmReachable',
        status: 'True',
        reason: 'Answering',
        message: [
          `SLURM${ofCluster(seen)} answers`,
          ...noticesOf(seen.slurm.value),
          ...userNotices(seen, seen.slurm.value),
        ].join('; '),
      }
    : {
        type: 'SlurmReachable',
        status: 'False',
        reason: 'SlurmUnreachable',
        message: `${aboutCluster(seen)}${seen.slurm.why.message}`,
      };
}

function noticesOf({ notices = {} }: SlurmView): readonly string[] {
  const { credentialsEndMs, cannotWarn } = notices;
  const ends = credentialsEndMs !== undefined && `its token ends at ${rfc3339(credentialsEndMs)}: renew it before`;
  const warn =
    cannotWarn && 'this version of slurmrestd cannot warn jobs before their time runs out, SLURM’s own commands can';
  return [ends, warn].filter((notice) => typeof notice === 'string');
}

/** What people should know of whose jobs they are, before it stands in the way. */
function userNotices(seen: Observation, view: SlurmView): readonly string[] {
  const { submitsAs } = seen;
  const former = formerUsers(seen, view).join(', ');
  return [
    ...(submitsAs.kind === 'nobody' ? [`nothing can be submitted for it: ${submitsAs.problem.message}`] : []),
    ...(submitsAs.kind === 'user' && submitsAs.endsMs !== undefined
      ? [`the token of ${submitsAs.user} in ${submitsAs.source} ends at ${rfc3339(submitsAs.endsMs)}: renew it before`]
      : []),
    ...(former === ''
      ? []
      : [
          `it has jobs of ${former}, as whom its namespace is not known now: to end them SLURM must let ${view.user}, as a coordinator of their account or an Operator`,
        ]),
  ];
}

/** The step people should hear of first; undefined when all serve the present spec. */
function worstOf(steps: readonly Step[]): Step | undefined {
  const outdated = steps.find((step) => step.state === 'ready' && step.outdated);
  const waiting = steps
    .filter((step) => step.state !== 'ready')
    .sort((a, b) => SLOT_STATES.indexOf(a.state) - SLOT_STATES.indexOf(b.state))[0];
  return waiting ?? (outdated && { ...outdated, reason: outdated.reason === 'Ready' ? 'Replacing' : outdated.reason });
}

const PHASES: Readonly<Record<Step['state'], NonNullable<Status['phase']>>> = {
  held: 'Stalled',
  blocked: 'Stalled',
  backingOff: 'Failed',
  failing: 'Failed',
  inDoubt: 'Unknown',
  queued: 'Queued',
  starting: 'Starting',
  submitting: 'Pending',
  stopping: 'Pending',
  ready: 'Running',
};

function phaseOf(seen: Observation, steps: readonly Step[]): NonNullable<Status['phase']> {
  const { resource } = seen;
  if (!resource.spec) return 'Invalid';
  if (resource.spec.suspend) return 'Suspended';
  const waiting = worstOf(steps);
  if (!waiting) return 'Running';
  const answering = steps.some((step) => step.state === 'ready');
  const phase = PHASES[waiting.state];
  return answering && phase !== 'Stalled' ? 'Degraded' : phase;
}

function endpointsOf(seen: Observation, steps: readonly Step[]): Endpoint[] {
  return withSince(
    seen,
    steps.flatMap((step) => (step.endpoint ? [step.endpoint] : [])),
  );
}

/** `since` moves only when readiness does. */
function withSince(seen: Observation, endpoints: readonly Omit<Endpoint, 'since'>[]): Endpoint[] {
  return endpoints.map((endpoint) => {
    const before = seen.resource.status.endpoints?.find(
      (known) => known.jobId === endpoint.jobId && known.replica === endpoint.replica,
    );
    return { ...endpoint, since: before && before.ready === endpoint.ready ? before.since : rfc3339(seen.now) };
  });
}

/** Keeps the address people were given for as long as it answers. */
function urlOf(endpoints: readonly Endpoint[], before: string | undefined): string | undefined {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  return ready.find((endpoint) => endpoint.url === before)?.url ?? ready[0]?.url;
}

function jobStatus(
  { site, now, whereabouts }: Pick<Observation, 'site' | 'now' | 'whereabouts'>,
  replica: number,
  job: OwnJob,
  before: JobStatus | undefined,
): JobStatus {
  const pending = job.phase === 'pending' ? explain(job.reason) : undefined;
  return withoutUndefined({
    replica,
    attempt: job.identity.attempt,
    jobId: job.id,
    cluster: whereabouts.recorded,
    state: job.state,
    reason: cut(pending?.reason ?? (job.reason === 'None' ? '' : job.reason), WORDS_CHARS) || undefined,
    explanation: pending?.text,
    partition: cut(job.partition, WORDS_CHARS) || undefined,
    nodes: job.nodes.length > 0 ? job.nodes.slice(0, NODES_TOLD) : undefined,
    submitTime: rfc3339(job.submitMs),
    expectedStartTime:
      job.phase === 'pending' ? steady(job.expectedStartMs, before?.expectedStartTime, now) : undefined,
    startTime: job.phase !== 'pending' && job.startMs !== undefined ? rfc3339(job.startMs) : undefined,
    endTime: job.phase === 'ended' ? rfc3339(job.endMs) : undefined,
    exitCode: job.report.code,
    log: before?.log ?? wholePath(logPath(site, job.name, job.id)),
  });
}

/** Half a path leads nowhere: one too long for the status is left out. */
const wholePath = (path: string): string | undefined => (path.length > PATH_CHARS ? undefined : path);
const PATH_CHARS = 1024;

/** Slurm lists every node that is not available, and every partition a job waits for. */
const WORDS_CHARS = 256;
const NODES_TOLD = 64;

/**
 * The scheduler's guess wanders by seconds: only a change of five minutes is news. It also comes and goes, as the
 * scheduler gets down the queue to this job or does not: the last one holds as long as it may come true.
 */
function steady(expectedMs: number | undefined, before: string | undefined, now: number): string | undefined {
  if (expectedMs === undefined) return before !== undefined && Date.parse(before) > now ? before : undefined;
  return before !== undefined && Math.abs(Date.parse(before) - expectedMs) < 300_000 ? before : rfc3339(expectedMs);
}

function previousJob(status: Status, job: OwnJob): JobStatus | undefined {
  return status.jobs?.find((known) => known.jobId === job.id);
}

function newest(failures: readonly (Failure | undefined)[]): Failure | undefined {
  return failures.findLast((failure) => failure !== undefined);
}

function desiredReplicas(seen: Observation): number {
  const spec = seen.resource.spec;
  return !spec || spec.suspend ? 0 : spec.replicas;
}

function problemText(problems: readonly SpecProblem[], serving: boolean, generation: number): string {
  const what = cut(problems.map(problemLine).join('; '), PROBLEMS_CHARS);
  return serving ? `${what}; generation ${generation} is kept until this is corrected` : what;
}

/** Leaves room for what is said behind them. */
const PROBLEMS_CHARS = 3_500;

function withoutUndefined<T extends object>(object: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

export type { Condition };
