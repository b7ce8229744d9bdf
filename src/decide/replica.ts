import type { Spec } from '../api/spec.ts';
import type { ReplicaRecord } from '../api/status.ts';
import { rfc3339, rfc3339Ms } from '../api/time.ts';
import { renderScript } from '../launch/script.ts';
import { secretPaths, secretsToPlace } from '../launch/secrets.ts';
import { assertNever } from '../result.ts';
import { jobName } from '../slurm/identity.ts';
import { jobKey } from '../slurm/job.ts';
import { type AttemptJobs, isOver, sortAttempt, spokeLastWord } from './attempts.ts';
import { isMadeFor } from './choose-place.ts';
import { explain } from './explain.ts';
import { answersForMs, endpointOf, type Health, healthOf, unresponsiveInMs, windowMsOf } from './health.ts';
import { endOf, judge, UNTOLD } from './judge.ts';
import type { Observation, OwnJob, SlurmView } from './observation.ts';
import type { Obstacle } from './obstacles.ts';
import { adopt, forgiven, givenUp, sighted } from './records.ts';
import { stageOf } from './starting.ts';
import type { Step } from './step.ts';

export type ReplicaInput = {
  readonly seen: Observation;
  readonly view: SlurmView;
  readonly spec: Spec;
  readonly hash: string;
  /** Another cluster is asked for than this one. */
  readonly misplaced: boolean;
  readonly excludedNodes: readonly string[];
  /** With one nothing is submitted. */
  readonly obstacle: Obstacle | undefined;
};

/** One wanted replica: from its record and its jobs to what is done next. */
export function stepReplica(input: ReplicaInput, before: ReplicaRecord, jobs: readonly OwnJob[]): Step {
  const record = heard(input, adopt(before, jobs));
  const attempt = sortAttempt(jobs, record.attempt, record.settledAttempt);
  const cancels = attempt.condemned.filter(isCancellable).map((job) => ({ job, why: whyCondemned(job, record) }));
  const step = stepAttempt(input, record, attempt);
  return { ...step, cancels: [...cancels, ...step.cancels] };
}

function stepAttempt(input: ReplicaInput, record: ReplicaRecord, { current, condemned }: AttemptJobs): Step {
  if (record.attempt <= record.settledAttempt) return next(input, record, condemned);
  if (!current) return absent(input, record, condemned);
  const known = sighted(record, current, input.view);
  const isOfSpec = current.identity.specHash === input.hash;
  const outdated = !isOfSpec || input.misplaced || !isMadeFor(known, input.spec.slurm);
  if (isOver(current)) {
    if (!isOfSpec) return next(input, givenUp(known), condemned);
    const end = endOf(input.seen, current);
    if (!end)
      return {
        ...base(known),
        job: current,
        state: 'stopping',
        reason: 'Stopping',
        message: `job ${current.id} has ended (${current.state}); asking SLURM how`,
        waitMs: 5_000,
      };
    return afterEnd(input, known, condemned, judge(input.seen, input.spec, known, end));
  }
  return {
    ...watch(input, known, current, condemned),
    outdated,
    ...(isOfSpec && outdated && { madeFor: 'another place' }),
  };
}

/** The record as the present spec finds it: an edit is tried at once, whatever was held against the old one. */
function heard({ seen, hash }: ReplicaInput, record: ReplicaRecord): ReplicaRecord {
  const edited =
    record.specHash !== undefined &&
    record.specHash !== hash &&
    (record.retryTime !== undefined || record.failures.length > 0);
  const released = record.held !== undefined && record.held.generation < seen.resource.specGeneration;
  return record.retired || edited || released ? forgiven(record) : record;
}

/** A live job of the newest attempt. */
function watch(input: ReplicaInput, record: ReplicaRecord, job: OwnJob, condemned: readonly OwnJob[]): Step {
  const { seen } = input;
  switch (job.phase) {
    case 'pending': {
      const why = explain(job.reason);
      const settledMs = job.submitMs + seen.policy.queuedForeverGraceMs - seen.now;
      const forever = why.forever && settledMs <= 0;
      const forgiven = record.excluded?.some((node) => !input.excludedNodes.includes(node)) ?? false;
      if (settledMs <= 0 && forgiven && !input.obstacle) return readmit(record, job);
      return {
        ...base(record),
        job,
        state: forever ? 'blocked' : 'queued',
        reason: forever ? 'QueuedForever' : 'Queued',
        message: `job ${job.id} is queued (${why.reason || 'no reason yet'}): ${why.text}`,
        waitMs: settledMs > 0 && (why.forever || forgiven) ? settledMs : untilReadmissionMs(input, record),
      };
    }
    case 'running': {
      if (job.state === 'CONFIGURING') {
        return {
          ...base(record),
          job,
          state: 'starting',
          reason: 'Configuring',
          message: `job ${job.id}: SLURM prepares its nodes`,
        };
      }
      return watchRunning(input, record, job, condemned);
    }
    case 'completing':
      return {
        ...base(record),
        job,
        state: 'stopping',
        reason: 'Stopping',
        message: `job ${job.id} is ending`,
        waitMs: undefined,
      };
    case 'ended':
      throw new Error('an ended job is not live');
    default:
      return assertNever(job);
  }
}

/** It waits for nodes that it may not have for a reason that no longer holds: another attempt may have them. */
function readmit(record: ReplicaRecord, job: OwnJob): Step {
  return {
    ...base(givenUp(record)),
    job,
    cancels: [{ job, why: 'nodes it was kept off may be used again' }],
    state: 'stopping',
    reason: 'Replacing',
    message: `job ${job.id} waits without nodes that may be used again, and is replaced`,
  };
}

/** ms until the first node it was kept off may be used again; undefined when there is none. */
function untilReadmissionMs({ seen }: ReplicaInput, record: ReplicaRecord): number | undefined {
  const untils = (seen.resource.status.excludedNodes ?? [])
    .filter((node) => record.excluded?.includes(node.name))
    .map((node) => Date.parse(node.until));
  return untils.length > 0 ? Math.max(Math.min(...untils) - seen.now, 0) + 1_000 : undefined;
}

function watchRunning(
  input: ReplicaInput,
  record: ReplicaRecord,
  job: OwnJob & { readonly phase: 'running' },
  condemned: readonly OwnJob[],
): Step {
  const { seen, spec } = input;
  const claim = endpointOf(job, spec, seen, seen.resource.status.endpoints);
  const servedBefore = claim.kind === 'at' && hasServed(seen, record, job);
  const health = healthOf(job, spec, seen, servedBefore);
  // A draining job stops answering by design, and ends by itself or with its walltime.
  const draining = job.report.phase === 'draining';
  if (!draining && (health.kind === 'unresponsive' || health.kind === 'overdue'))
    return giveUp(input, record, job, condemned, health);
  const ready = health.kind === 'ready' && claim.kind === 'at' && !draining && !spokeLastWord(job);
  const endpoint =
    claim.kind === 'at'
      ? {
          replica: record.replica,
          url: claim.url,
          node: claim.node,
          port: claim.port,
          jobId: job.id,
          role: draining ? ('Draining' as const) : ready || servedBefore ? ('Serving' as const) : ('Warming' as const),
          ready,
        }
      : undefined;
  return {
    ...base(record),
    job,
    endpoint,
    ...stateOf(job, health, ready, claim.kind === 'refused' ? claim.why : undefined),
    waitMs: dueMs(input, job),
  };
}

/** By the status on record, whose role outlives a failed probe and a restart of the operator, or by the job's own word. */
function hasServed(seen: Observation, record: ReplicaRecord, job: OwnJob): boolean {
  const known = seen.resource.status.endpoints?.find(
    (endpoint) => endpoint.jobId === job.id && endpoint.replica === record.replica,
  );
  return (known !== undefined && known.role !== 'Warming') || job.report.phase === 'ready';
}

function stateOf(
  job: OwnJob,
  health: Health,
  ready: boolean,
  refused: string | undefined,
): Pick<Step, 'state' | 'reason' | 'message'> {
  if (ready) return { state: 'ready', reason: 'Ready', message: `job ${job.id} answers` };
  if (refused) return { state: 'failing', reason: 'EndpointRefused', message: refused };
  if (job.report.phase === 'draining')
    return { state: 'stopping', reason: 'Draining', message: `job ${job.id} is draining` };
  if (spokeLastWord(job))
    return { state: 'stopping', reason: 'Stopping', message: `job ${job.id} has said its last word, and is ending` };
  if (health.kind === 'failing')
    return { state: 'failing', reason: 'ProbeFailed', message: `job ${job.id} does not answer: ${health.why}` };
  return { state: 'starting', ...stageOf(job) };
}

/** When a running job is due to be looked at although nothing happens: its endpoint ages, its deadline comes. */
function dueMs({ seen, spec }: ReplicaInput, job: OwnJob & { readonly phase: 'running' }): number {
  const startup = job.startMs + spec.probes.startup.timeoutSeconds * 1000 + seen.policy.startupSlackMs - seen.now;
  const probe = seen.probes.get(jobKey(job));
  const ages =
    answersForMs(probe, spec, seen.now) ?? unresponsiveInMs(probe, spec, seen) ?? Math.max(windowMsOf(spec), 1_000);
  return startup > 0 ? Math.min(startup, ages) : ages;
}

/** The operator gives up on a job that Slurm calls running. Judged first, then cancelled: its end will say nothing. */
function giveUp(
  input: ReplicaInput,
  record: ReplicaRecord,
  job: OwnJob,
  condemned: readonly OwnJob[],
  health: Health & { readonly kind: 'unresponsive' | 'overdue' },
): Step {
  const end = health.kind === 'overdue' ? ('OVERDUE' as const) : ('UNRESPONSIVE' as const);
  const claim = endpointOf(job, input.spec, input.seen, input.seen.resource.status.endpoints);
  // One at a time: while an earlier one still hangs, this one is waited for.
  const hangs = condemned.some((one) => isAbandoned(one, record));
  const left = health.kind === 'unresponsive' && !hangs ? { ...record, abandoned: jobKey(job) } : record;
  const judged = judge(input.seen, input.spec, left, {
    ...UNTOLD,
    end,
    slurm: job.reason,
    jobId: job.id,
    nodes: job.nodes,
    // Of several nodes it is the one that should have answered: had it been another, the job would have said so.
    failedNodes: claim.kind === 'at' ? [claim.node] : [],
    detail: health.why,
  });
  const step = afterEnd(input, record, [...condemned, job], judged);
  return { ...step, job, cancels: [...step.cancels, { job, why: judged.failure.message }] };
}

/** No listing shows the newest attempt's job. Absent, not yet there, lost or purged? */
function absent(input: ReplicaInput, record: ReplicaRecord, condemned: readonly OwnJob[]): Step {
  const { seen, view } = input;
  // Refused, or it never arrived: the same attempt again.
  if (record.jobId === undefined && record.doubtUntil === undefined)
    return submitWhenDue(input, record, record.attempt, condemned);
  const landMs = latest(record.submitTime, record.doubtUntil);
  if (view.askedAtMs <= landMs) {
    return {
      ...base(record),
      state: record.jobId === undefined ? 'inDoubt' : 'submitting',
      reason: record.jobId === undefined ? 'SubmissionInDoubt' : 'Submitted',
      message:
        record.jobId === undefined
          ? `SLURM did not say whether attempt ${record.attempt} was accepted; looking for it until ${record.doubtUntil}`
          : submittedMessage(record.attempt, record.jobId),
      waitMs: Math.max(landMs - seen.now, 0) + seen.policy.tickMs,
    };
  }
  // In doubt, and it never landed.
  if (record.jobId === undefined) return submitWhenDue(input, record, record.attempt, condemned);
  return missing(input, record, record.jobId, condemned);
}

export const submittedMessage = (attempt: number, jobId: string): string =>
  `attempt ${attempt} is submitted (job ${jobId}); waiting to see it in the queue`;

function missing(input: ReplicaInput, before: ReplicaRecord, jobId: string, condemned: readonly OwnJob[]): Step {
  const { seen, view, spec } = input;
  const missingSince = before.missingSince ?? rfc3339Ms(view.askedAtMs);
  const record = { ...before, missingSince };
  const answer = seen.history.get(jobName({ ...seen.resource.key, replica: record.replica, attempt: record.attempt }));
  // From listing to listing: a wait without another look proves nothing.
  const missingMs = view.askedAtMs - Date.parse(missingSince);
  if (answer?.kind === 'ended') {
    const { ending } = answer;
    return afterEnd(
      input,
      record,
      condemned,
      judge(seen, spec, record, { ...UNTOLD, ...ending, end: ending.state, slurm: ending.reason, jobId }),
    );
  }
  // Without accounting's word the queue has to lack the job for longer.
  const graceMs = seen.policy.vanishedGraceMs * (answer === undefined ? 5 : 1);
  if (missingMs < graceMs) {
    return {
      ...base(record),
      state: 'inDoubt',
      reason: 'JobMissing',
      message: `job ${jobId} is not in the queue; asking accounting before it counts as lost`,
      waitMs: seen.policy.tickMs,
    };
  }
  // Acknowledged and never shown: slurmctld died before it had saved it. The same attempt again, under its name.
  if (!record.seen) return submitWhenDue(input, record, record.attempt, condemned);
  return afterEnd(input, record, condemned, judge(seen, spec, record, { ...UNTOLD, end: 'VANISHED', jobId }));
}

function afterEnd(
  input: ReplicaInput,
  before: ReplicaRecord,
  condemned: readonly OwnJob[],
  judged: ReturnType<typeof judge>,
): Step {
  const step = next(input, { ...judged.record, attempt: before.attempt }, condemned);
  return { ...step, failure: judged.failure, blamed: judged.blamed };
}

/** The newest attempt is judged: the next one, unless given up, too early, or an old job still lives. */
function next(input: ReplicaInput, record: ReplicaRecord, condemned: readonly OwnJob[]): Step {
  if (record.held) {
    const why = record.held.reason;
    return { ...base(record), state: 'held', reason: why, message: `given up (${why}) until the spec changes` };
  }
  return submitWhenDue(input, record, record.attempt + 1, condemned);
}

function submitWhenDue(
  input: ReplicaInput,
  record: ReplicaRecord,
  attempt: number,
  condemned: readonly OwnJob[],
): Step {
  const { seen, view } = input;
  const blocking = condemned.find((job) => !isOver(job) && !isAbandoned(job, record));
  if (blocking) {
    return {
      ...base(record),
      state: 'stopping',
      reason: 'Stopping',
      message: `job ${blocking.id} must end before the next attempt`,
      waitMs: undefined,
    };
  }
  // An attempt that was given up while it could still land must be seen, or be sure not to come, before the next.
  const landMs = latest(record.submitTime, record.doubtUntil);
  if (attempt > record.attempt && view.askedAtMs <= landMs) {
    return {
      ...base(record),
      state: 'inDoubt',
      reason: 'SubmissionInDoubt',
      message: `attempt ${record.attempt} may still arrive; waiting for it before the next`,
      waitMs: Math.max(landMs - seen.now, 0) + seen.policy.tickMs,
    };
  }
  const retryMs = record.retryTime === undefined ? 0 : Date.parse(record.retryTime);
  if (retryMs > seen.now) {
    const reason = record.retryReason ?? 'BackOff';
    return {
      ...base(record),
      state: reason === 'SubmissionRejected' ? 'blocked' : 'backingOff',
      reason,
      message: `the next attempt is not submitted before ${rfc3339(retryMs)}`,
      waitMs: retryMs - seen.now,
    };
  }
  if (input.obstacle) return withheld(record, attempt, input.obstacle);
  return submit(input, record, attempt);
}

/** SLURM has taken its cancellation, and waits for a node that may never say that it is done. */
function isAbandoned(job: OwnJob, record: ReplicaRecord): boolean {
  return job.phase === 'completing' && jobKey(job) === record.abandoned;
}

/** Nothing is claimed: as soon as nothing is in the way the attempt is submitted. */
function withheld(record: ReplicaRecord, attempt: number, { reason, lasts, because, what }: Obstacle): Step {
  return {
    ...base(record),
    state: reason === 'Moving' ? 'stopping' : lasts ? 'blocked' : 'backingOff',
    reason,
    message: `attempt ${attempt} is not submitted ${because}: ${what}`,
  };
}

function submit({ seen, spec, hash, excludedNodes }: ReplicaInput, record: ReplicaRecord, attempt: number): Step {
  const { resource, policy, now } = seen;
  const identity = {
    ...resource.key,
    replica: record.replica,
    attempt,
    uid: resource.uid,
    generation: resource.specGeneration,
    specHash: hash,
    nonce: `${seen.entropy}${record.replica.toString(36)}`,
    owner: seen.owner,
  };
  const secrets = secretsToPlace(spec, identity);
  const secretFiles = secretPaths(secrets, seen.owner, seen.site);
  const claimed: ReplicaRecord = {
    replica: record.replica,
    attempt,
    specHash: hash,
    ...(spec.slurm.places && { partitions: [...spec.slurm.partitions] }),
    ...(excludedNodes.length > 0 && { excluded: [...excludedNodes] }),
    submitTime: rfc3339Ms(now),
    nonce: identity.nonce,
    doubtUntil: rfc3339Ms(now + policy.submitWithinMs + policy.submitTimeoutMs + policy.doubtWindowMs),
    settledAttempt: record.settledAttempt,
    failures: record.failures,
    ...(record.abandoned !== undefined && { abandoned: record.abandoned }),
  };
  return {
    ...base(claimed),
    submit: {
      kind: 'submit',
      replica: record.replica,
      attempt,
      name: jobName(identity),
      script: renderScript({ identity, spec, excludedNodes, site: seen.site, secretFiles, body: seen.body }),
      secrets,
      ...(seen.submitsAs.kind === 'user' && { as: seen.submitsAs.user }),
      notAfterMs: now + policy.submitWithinMs,
    },
    state: 'submitting',
    reason: 'Submitting',
    message: `attempt ${attempt} is being submitted`,
    waitMs: policy.tickMs,
  };
}

/** Epoch ms of the later of two times on record; 0 when there is none. */
function latest(a: string | undefined, b: string | undefined): number {
  return Math.max(Date.parse(a ?? '') || 0, Date.parse(b ?? '') || 0);
}

function base(record: ReplicaRecord): Step {
  return {
    record,
    job: undefined,
    cancels: [],
    submit: undefined,
    endpoint: undefined,
    state: 'stopping',
    reason: '',
    message: '',
    outdated: false,
    madeFor: 'an older spec',
    failure: undefined,
    blamed: [],
    waitMs: undefined,
  };
}

/** Slurm is already ending a COMPLETING job; a second scancel would only cost. */
export const isCancellable = (job: OwnJob): boolean => job.phase === 'pending' || job.phase === 'running';

function whyCondemned(job: OwnJob, record: ReplicaRecord): string {
  if (job.identity.attempt < record.attempt)
    return `attempt ${job.identity.attempt} was replaced by attempt ${record.attempt}`;
  if (job.identity.attempt <= record.settledAttempt) return `attempt ${job.identity.attempt} was given up`;
  return `a twin of attempt ${job.identity.attempt}`;
}
