import { FINALIZER, type Resource } from '../../src/api/resource.ts';
import { Spec, type SpecInput } from '../../src/api/spec.ts';
import type { Condition, ReplicaRecord, Status } from '../../src/api/status.ts';
import { rfc3339, rfc3339Ms } from '../../src/api/time.ts';
import type { Ending, Observation, OwnJob, Whereabouts } from '../../src/decide/observation.ts';
import { DEFAULT_POLICY } from '../../src/decide/policy.ts';
import { specHash } from '../../src/launch/spec-hash.ts';
import type { ProbeMemory } from '../../src/probe/prober.ts';
import { jobName, marker, readIdentity, readReport } from '../../src/slurm/identity.ts';
import { type EndState, type Job, type JobHead, jobKey } from '../../src/slurm/job.ts';
import { deployment } from './deployment.ts';

/** The instant of every observation that names no other. */
export const NOW = Date.UTC(2026, 2, 4, 12, 0, 0);
/** Times in a test, counted from `NOW`, as they stand in status. */
export const at = (seconds: number): string => rfc3339(NOW + seconds * 1000);
export const atMs = (seconds: number): string => rfc3339Ms(NOW + seconds * 1000);

export const KEY = { namespace: 'default', name: 'chat' };
export const UID = 'uid-1';
export const OWNER = 'store-1';

export const specOf = (about: Partial<SpecInput> = {}): Spec => Spec.parse(deployment(about));
export const hashOf = (about: Partial<SpecInput> = {}): string => specHash(specOf(about));

export type ResourceAbout = Partial<Omit<Resource, 'spec'>> & { readonly spec?: Partial<SpecInput> };

/** One that was reconciled before: the finalizer stands. */
export function resource({ spec, ...about }: ResourceAbout = {}): Resource {
  const generation = about.generation ?? 1;
  return {
    key: KEY,
    uid: UID,
    generation,
    version: '1',
    createdMs: NOW - 86_400_000,
    finalizers: [FINALIZER],
    annotations: {},
    spec: specOf(spec),
    specGeneration: generation,
    problems: [],
    status: {},
    ...about,
  };
}

/** `jobs` all belong to the resource; `endings` and `probes` are told by job. */
export type ObservationAbout = ResourceAbout & {
  readonly now?: number;
  readonly jobs?: readonly OwnJob[];
  readonly askedAtMs?: number;
  readonly slurm?: Observation['slurm'];
  readonly resource?: Resource;
  readonly endings?: readonly (readonly [OwnJob, Ending])[];
  readonly probes?: readonly (readonly [OwnJob, ProbeMemory])[];
  readonly facts?: Partial<Observation>;
};

/** Everything is well and nothing is there, but for what the test names. */
export function observation(about: ObservationAbout = {}): Observation {
  const { now = NOW, jobs = [], askedAtMs = now - 1_000, slurm, endings = [], probes = [], facts, ...rest } = about;
  return {
    now,
    resource: about.resource ?? resource(rest),
    owner: OWNER,
    slurm: slurm ?? { known: true, value: { askedAtMs, jobs } },
    whereabouts: ALONE,
    viewSuspect: false,
    networkSuspect: false,
    submitsAs: { kind: 'itself' },
    secretProblems: [],
    tenancy: new Map(),
    endings: new Map(endings.map(([job, ending]) => [jobKey(job), ending])),
    logTails: new Map(),
    history: new Map(),
    probes: new Map(probes.map(([job, memory]) => [jobKey(job), memory])),
    nodeAddresses: new Map([
      ['node001', '10.0.0.1'],
      ['node002', '10.0.0.2'],
    ]),
    usableNodes: ['node001', 'node002', 'node003', 'node004'],
    policy: DEFAULT_POLICY,
    site: {
      logDirectory: '/logs',
      secretDirectory: '/secrets',
      portRange: { low: 20_000, high: 30_000 },
      defaults: { partitions: [] },
      standInCommand: ['node', 'stand-in.js'],
    },
    body: 'true',
    entropy: 'entropy',
    ...facts,
  };
}

/** On the only cluster there is. */
const ALONE: Whereabouts = {
  here: 'alps',
  recorded: undefined,
  clusters: new Map([['alps', true]]),
  foundOn: undefined,
};

/** On the first of two, which both answer. */
export const AMONG: Whereabouts = {
  here: 'alps',
  recorded: 'alps',
  clusters: new Map([
    ['alps', true],
    ['jura', true],
  ]),
  foundOn: undefined,
};

export const SILENT: Observation['slurm'] = {
  known: false,
  why: { kind: 'unreachable', message: 'connect failure' },
  sinceMs: NOW - 30_000,
};

export type JobAbout = Partial<Omit<JobHead, 'name' | 'comment'>> & {
  readonly replica?: number;
  readonly attempt?: number;
  readonly uid?: string;
  readonly owner?: string;
  /** Of the spec it was made from. */
  readonly spec?: Partial<SpecInput>;
  readonly generation?: number;
  /** Behind the marker, as `serve.sh` writes it: `phase=ready|node=node001|port=20000`. */
  readonly says?: string;
};

export const pendingJob = ({
  state = 'PENDING',
  expectedStartMs,
  ...about
}: JobAbout & { readonly state?: 'PENDING' | 'REQUEUED'; readonly expectedStartMs?: number } = {}): OwnJob =>
  own({
    ...head({ reason: 'Priority', nodes: [], ...about }),
    phase: 'pending',
    state,
    ...(expectedStartMs !== undefined && { expectedStartMs }),
  });

export const runningJob = ({
  startMs = NOW - 60_000,
  state = 'RUNNING',
  ...about
}: JobAbout & { readonly startMs?: number; readonly state?: 'RUNNING' | 'CONFIGURING' } = {}): OwnJob & {
  readonly phase: 'running';
} => own({ ...head(about), phase: 'running', state, startMs });

export const completingJob = (about: JobAbout = {}): OwnJob =>
  own({ ...head(about), phase: 'completing', state: 'COMPLETING', startMs: NOW - 60_000 });

export const endedJob = ({
  state = 'FAILED',
  endMs = NOW - 5_000,
  ...about
}: JobAbout & { readonly state?: EndState; readonly endMs?: number } = {}): OwnJob =>
  own({ ...head(about), phase: 'ended', state, startMs: NOW - 60_000, endMs });

/** Running, and says where it answers. */
export const servingJob = (about: Parameters<typeof runningJob>[0] = {}): ReturnType<typeof runningJob> =>
  runningJob({ says: 'phase=ready|node=node001|port=20000|after=30', ...about });

/** As Slurm tells it later, in full. */
export function endingOf(job: OwnJob, about: Partial<Ending> = {}): Ending {
  if (job.phase !== 'ended') throw new Error('the job has not ended');
  const { id, name, submitMs, state, nodes, startMs, endMs } = job;
  return {
    id,
    name,
    submitMs,
    state,
    exitCode: 1,
    signal: 0,
    reason: 'NonZeroExitCode',
    nodes,
    failedNodes: [],
    ...(startMs !== undefined && { startMs }),
    endMs,
    logTail: undefined,
    ...about,
  };
}

export const ANSWERS: ProbeMemory = { lastOkMs: NOW - 2_000, failures: 0, lastError: undefined };
/** Answered once, and since then not, for so many seconds. */
export const silentFor = (seconds: number, failures: number): ProbeMemory => ({
  lastOkMs: NOW - seconds * 1000,
  failures,
  lastError: 'connect ECONNREFUSED',
});

/** The attempt on record is the newest one; what it knows of its job is the test's to say. */
export const record = (about: Partial<ReplicaRecord> = {}): ReplicaRecord => ({
  replica: 0,
  attempt: 1,
  specHash: hashOf(),
  submitTime: atMs(-120),
  settledAttempt: 0,
  failures: [],
  ...about,
});

/** The record of an attempt whose job a listing has shown. */
export const seenRecord = (about: Partial<ReplicaRecord> = {}): ReplicaRecord =>
  record({ jobId: '101', seen: true, ...about });

export function conditionOf(status: Status, type: string): Condition | undefined {
  return status.conditions?.find((condition) => condition.type === type);
}

/** Conditions in a line each: `Ready=False Queued`. */
export const conditionLines = (status: Status): readonly string[] =>
  (status.conditions ?? []).map((condition) => `${condition.type}=${condition.status} ${condition.reason}`);

function head({ replica = 0, attempt = 1, spec, generation = 1, says, uid = UID, owner = OWNER, ...about }: JobAbout) {
  const identity = { ...KEY, replica, attempt, uid, owner, generation, specHash: hashOf(spec), nonce: 'n0' };
  return {
    id: String(101 + replica),
    name: jobName(identity),
    user: 'alice',
    partition: 'gpu',
    reason: 'None',
    nodes: ['node001'],
    comment: says === undefined ? marker(identity) : `${marker(identity)}|${says}`,
    submitMs: NOW - 120_000,
    ...about,
  };
}

function own<J extends Job>(job: J): J & Pick<OwnJob, 'identity' | 'report'> {
  const identity = readIdentity(job);
  if (!identity) throw new Error(`not a job of ours: ${job.name} ${job.comment}`);
  return { ...job, identity, report: readReport(job.comment) };
}
