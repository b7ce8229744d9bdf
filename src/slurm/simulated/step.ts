import { assertNever } from '../../result.ts';
import { type Grant, type PlacedJob, schedule } from '../scheduler.ts';
import { reportText, type ScriptEnd } from './behaviour.ts';
import { type Ending, isLive, type NewJob, nodesOf, type SimJob, type World, type WorldEvent } from './world.ts';

/** The cluster right after `event` happened, at the same instant. Pure. */
export function step(world: World, event: WorldEvent): World {
  switch (event.kind) {
    case 'submitted':
      return submitted(world, event.job);
    case 'cancelled':
      return onJob(world, event.serial, (job) => stop(world, job, CANCELLED));
    case 'stopped':
      return onJob(world, event.serial, (job) => stop(world, job, event.ending));
    case 'requeued':
      return onJob(world, event.serial, (job) => requeued(world, job, event.eligibleAfterMs));
    case 'commented':
      return onJob(world, event.serial, (job) => ({ ...job, comment: event.comment }));
    case 'hung':
      return onJob(world, event.serial, (job) => ({ ...job, engine: 'silent' }));
    case 'nodeCutOff':
      return onNode(world, event.node, { connected: false });
    case 'nodeDown':
      return nodeDown(world, event.node, event.ghostMs);
    case 'nodeUp':
      return scheduled(onNode(world, event.node, { up: true, connected: true }));
    case 'rulesChanged':
      return scheduled({ ...world, rules: { ...world.rules, ...event.rules } });
    case 'controllerCrashed':
      return crashed(world, event.saved);
    default:
      return assertNever(event);
  }
}

/** Lets time pass: all that is due until `toMs` happens, in order, each at its own instant. Pure. */
export function advance(world: World, toMs: number): World {
  let now = world;
  for (;;) {
    const dueMs = nextChangeMs(now);
    if (dueMs > toMs) return now.nowMs >= toMs ? now : { ...now, nowMs: toMs };
    now = happen(dueMs > now.nowMs ? { ...now, nowMs: dueMs } : now);
  }
}

/** Epoch, ms, of the next thing that happens by itself; Infinity when the cluster stands still. */
export function nextChangeMs(world: World): number {
  let next = Number.POSITIVE_INFINITY;
  for (const job of world.jobs) if (job.nextMs < next) next = job.nextMs;
  for (const effect of world.pending) if (effect.atMs < next) next = effect.atMs;
  return next;
}

export const CANCELLED: Ending = { state: 'CANCELLED', exitCode: 0, signal: 15, reason: 'None', failedNodes: [] };
export const PREEMPTED: Ending = { ...CANCELLED, state: 'PREEMPTED' };
export const OUT_OF_MEMORY: Ending = { ...CANCELLED, state: 'OUT_OF_MEMORY', signal: 125, reason: 'OutOfMemory' };
const TIMEOUT: Ending = { ...CANCELLED, state: 'TIMEOUT', reason: 'TimeLimit' };

/** The one thing due first at this instant. */
function happen(world: World): World {
  const effect = world.pending.find((one) => one.atMs <= world.nowMs);
  if (effect) return step({ ...world, pending: world.pending.filter((one) => one !== effect) }, effect.event);
  const job = world.jobs.find((one) => one.nextMs <= world.nowMs);
  return job ? itsTurn(world, job) : world;
}

function itsTurn(world: World, job: SimJob): World {
  switch (job.phase) {
    case 'pending':
      return scheduled(replace(world, { ...job, nextMs: Number.POSITIVE_INFINITY }));
    case 'running':
      return runs(world, job);
    case 'completing':
      return scheduled(replace(world, ended(world, job)));
    case 'ended':
      return {
        ...world,
        jobs: world.jobs.filter((other) => other !== job),
        forgotten: [...world.forgotten, { ...job, nextMs: Number.POSITIVE_INFINITY }],
      };
    default:
      return assertNever(job.phase);
  }
}

function submitted(world: World, job: NewJob): World {
  const id = freeId(world);
  const { first, last } = world.rules.ids;
  const eligibleMs = world.nowMs + world.rules.startDelayMs;
  const added: SimJob = {
    ...job,
    serial: world.nextSerial,
    id: String(id),
    warnBeforeMs: job.warnBeforeMs,
    partition: job.request.partitions.join(',') || (world.rules.partitions[0]?.name ?? ''),
    submitMs: world.nowMs,
    phase: 'pending',
    reason: 'None',
    eligibleMs,
    grants: [],
    startMs: undefined,
    stepsTaken: 0,
    warned: false,
    engine: 'silent',
    ghostUntilMs: 0,
    ending: undefined,
    endMs: undefined,
    nextMs: eligibleMs,
    lost: false,
  };
  return {
    ...world,
    nextId: id >= last ? first : id + 1,
    nextSerial: world.nextSerial + 1,
    jobs: [...world.jobs, added],
  };
}

function freeId(world: World): number {
  const { first, last } = world.rules.ids;
  let id = world.nextId;
  while (world.jobs.some((job) => job.id === String(id))) id = id >= last ? first : id + 1;
  return id;
}

/** A running job takes its next step, is warned, or meets its time limit: whichever comes first. */
function runs(world: World, job: SimJob): World {
  const limitMs = timeLimitMs(world, job);
  if (limitMs <= world.nowMs) return scheduled(replace(world, stop(world, job, TIMEOUT)));
  const next = job.behaviour.steps[job.stepsTaken];
  if (!next || (job.startMs ?? 0) + next.afterMs > world.nowMs) return replace(world, warned(world, job));

  const taken = { ...job, stepsTaken: job.stepsTaken + 1 };
  switch (next.does) {
    case 'report': {
      const said = reportText({ node: nodesOf(job)[0] ?? '', port: job.behaviour.port, ...next.report });
      return replace(world, timed(world, { ...taken, comment: `${job.comment.split('|', 1)[0]}${said}` }));
    }
    case 'comment':
      return replace(world, timed(world, { ...taken, comment: next.comment }));
    case 'answer':
      return replace(world, timed(world, { ...taken, engine: 'answering' }));
    case 'hang':
      return replace(world, timed(world, { ...taken, engine: 'silent' }));
    case 'exit':
      return scheduled(replace(world, completing(world, taken, scriptEnding(next.ending), world.rules.completingMs)));
    default:
      return assertNever(next);
  }
}

/** USR1 before the time limit: a job that can drain says so, stops taking requests and exits 0. */
function warned(world: World, job: SimJob): SimJob {
  const { drainMs } = job.behaviour;
  if (drainMs === undefined) return timed(world, { ...job, warned: true });
  const afterMs = world.nowMs - (job.startMs ?? 0);
  const steps = [
    ...job.behaviour.steps.slice(0, job.stepsTaken),
    { afterMs, does: 'report', report: { phase: 'draining', why: 'asked' } },
    { afterMs: afterMs + drainMs, does: 'hang' },
    { afterMs: afterMs + drainMs, does: 'report', report: { phase: 'ended', failureClass: 'none', code: 0 } },
    { afterMs: afterMs + drainMs, does: 'exit', ending: { exitCode: 0 } },
  ] as const;
  return timed(world, { ...job, warned: true, behaviour: { ...job.behaviour, steps } });
}

function scriptEnding(end: ScriptEnd): Ending {
  const failed = end.exitCode !== 0 || end.signal !== undefined;
  return {
    state: end.state ?? (failed ? 'FAILED' : 'COMPLETED'),
    exitCode: end.exitCode,
    signal: end.signal ?? 0,
    reason: end.reason ?? (end.signal ? `RaisedSignal:${end.signal}` : failed ? 'NonZeroExitCode' : 'None'),
    failedNodes: [],
  };
}

/** Brought to its end from outside. One that already ends keeps the ending it has. */
function stop(world: World, job: SimJob, ending: Ending): SimJob {
  if (job.phase === 'pending') return ended(world, { ...job, ending: { ...ending, signal: 0, reason: job.reason } });
  if (job.phase !== 'running') return job;
  return completing(world, job, ending, Math.max(job.behaviour.stopMs, world.rules.completingMs));
}

function completing(world: World, job: SimJob, ending: Ending, forMs: number): SimJob {
  const endMs = world.nowMs + forMs;
  const ends: SimJob = {
    ...job,
    phase: 'completing',
    engine: 'silent',
    reason: ending.reason,
    ending,
    endMs,
    nextMs: endMs,
  };
  return forMs === 0 ? ended(world, ends) : ends;
}

function ended(world: World, job: SimJob): SimJob {
  const reason = job.ending?.reason ?? job.reason;
  return { ...job, phase: 'ended', reason, endMs: world.nowMs, nextMs: world.nowMs + world.rules.minJobAgeMs };
}

/** `scontrol requeue`, or a node failure without `--no-requeue`: the id stays, the submit time does not. */
function requeued(world: World, job: SimJob, eligibleAfterMs: number): SimJob {
  const eligibleMs = world.nowMs + eligibleAfterMs;
  return {
    ...job,
    phase: 'pending',
    reason: 'BeginTime',
    submitMs: world.nowMs,
    eligibleMs,
    grants: [],
    startMs: undefined,
    endMs: undefined,
    ending: undefined,
    stepsTaken: 0,
    warned: false,
    engine: 'silent',
    nextMs: eligibleMs,
  };
}

function nodeDown(world: World, name: string, ghostMs: number): World {
  const failedNodes = world.rules.namesFailedNodes ? [name] : [];
  const ending: Ending = { state: 'NODE_FAIL', exitCode: 0, signal: 1, reason: 'NodeDown', failedNodes };
  const jobs = world.jobs.map((job) => {
    if (!nodesOf(job).includes(name) || job.phase === 'ended') return job;
    if (job.phase === 'completing') return ended(world, job);
    const ghost = ghostMs > 0 && job.engine === 'answering';
    const engine = ghost ? 'answering' : 'silent';
    return ended(world, { ...job, ending, engine, ghostUntilMs: ghost ? world.nowMs + ghostMs : 0 });
  });
  return scheduled(onNode({ ...world, jobs }, name, { up: false, connected: false }));
}

/**
 * The state file is some seconds old: submissions since then are unknown and their ids free again, cancels of pending
 * jobs and changes of comments are undone. Seen on 22.05, 24.11 and 26.05.
 */
function crashed(world: World, saved: World): World {
  const before = new Map(saved.jobs.map((job) => [job.serial, job]));
  const kept = world.jobs.filter((job) => job.serial < saved.nextSerial);
  const lost = world.jobs.filter((job) => job.serial >= saved.nextSerial);
  const jobs = kept.map((job) => {
    const old = before.get(job.serial);
    if (!old) return job;
    if (old.phase === 'pending' && job.phase === 'ended' && job.startMs === undefined)
      return { ...old, eligibleMs: world.nowMs, nextMs: world.nowMs };
    return job.phase === 'running' ? { ...job, comment: old.comment } : job;
  });
  const never = Number.POSITIVE_INFINITY;
  return {
    ...world,
    jobs,
    forgotten: [
      ...world.forgotten,
      ...lost.map((job) => ({ ...job, lost: isLive(job), engine: 'silent' as const, nextMs: never })),
    ],
    nextId: saved.nextId,
  };
}

/** Starts what can start and tells the others why they wait. */
function scheduled(world: World): World {
  const waiting = world.jobs.filter((job) => job.phase === 'pending' && job.eligibleMs <= world.nowMs);
  if (waiting.length === 0) return world;
  const { hold } = world.rules;
  if (hold !== undefined)
    return { ...world, jobs: world.jobs.map((job) => (waiting.includes(job) ? { ...job, reason: hold } : job)) };
  const verdicts = schedule({
    waiting: waiting.map((job) => ({ ...job, order: job.serial })),
    placed: world.jobs.flatMap(placed),
    nodes: world.nodes,
    partitions: world.rules.partitions,
  });
  const jobs = world.jobs.map((job) => {
    const verdict = verdicts.get(job.serial);
    if (!verdict) return job;
    if (verdict.start) return started(world, job, verdict.partition, verdict.grants);
    return job.reason === verdict.reason ? job : { ...job, reason: verdict.reason };
  });
  return { ...world, jobs };
}

function placed(job: SimJob): readonly PlacedJob[] {
  if (job.phase !== 'running' && job.phase !== 'completing') return [];
  return [{ ...job, order: job.serial, completing: job.phase === 'completing' }];
}

function started(world: World, job: SimJob, partition: string, grants: readonly Grant[]): SimJob {
  return timed(world, { ...job, phase: 'running', reason: 'None', partition, grants, startMs: world.nowMs });
}

/** Sets when this running job changes next. */
function timed(world: World, job: SimJob): SimJob {
  const startMs = job.startMs ?? 0;
  const next = job.behaviour.steps[job.stepsTaken];
  const limitMs = timeLimitMs(world, job);
  const stepMs = next ? startMs + next.afterMs : Number.POSITIVE_INFINITY;
  const warnMs =
    job.warned || job.warnBeforeMs === undefined
      ? Number.POSITIVE_INFINITY
      : Math.max(startMs, limitMs - job.warnBeforeMs);
  return { ...job, nextMs: Math.min(stepMs, warnMs, limitMs) };
}

/** Epoch, ms. Without a limit of its own a job has its partition's. */
function timeLimitMs(world: World, job: SimJob): number {
  const partition = world.rules.partitions.find((one) => one.name === job.partition);
  const seconds = Math.min(job.request.timeLimitSeconds, partition?.maxTimeSeconds ?? Number.POSITIVE_INFINITY);
  return (job.startMs ?? 0) + seconds * 1000;
}

function replace(world: World, changed: SimJob): World {
  return { ...world, jobs: world.jobs.map((job) => (job.serial === changed.serial ? changed : job)) };
}

/** Changes a job that is still on record and not over; anything else is left as it is. */
function onJob(world: World, serial: number, change: (job: SimJob) => SimJob): World {
  const job = world.jobs.find((one) => one.serial === serial);
  return job && job.phase !== 'ended' ? scheduled(replace(world, change(job))) : world;
}

function onNode(world: World, name: string, change: { readonly up?: boolean; readonly connected?: boolean }): World {
  return { ...world, nodes: world.nodes.map((node) => (node.name === name ? { ...node, ...change } : node)) };
}
