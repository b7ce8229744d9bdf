import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide } from '../../src/decide/decide.ts';
import { newRecord } from '../../src/decide/records.ts';
import { renderScript } from '../../src/launch/script.ts';
import { jobKey } from '../../src/slurm/job.ts';
import {
  ANSWERS,
  at,
  atMs,
  completingJob,
  endedJob,
  endingOf,
  hashOf,
  KEY,
  NOW,
  type ObservationAbout,
  OWNER,
  observation,
  pendingJob,
  record,
  runningJob,
  seenRecord,
  servingJob,
  silentFor,
  specOf,
  UID,
} from '../gen/observation.ts';
import { type Outline, outlineOf } from './outline.ts';

const HASH = hashOf();
/** Seconds: the initial backoff with this attempt's jitter. */
const FIRST_WAIT = 10.921;
const OLD = { engine: { seed: 1 } };
/** What a submission claims: it may land until both waits and the doubt have passed. */
const claimed = (attempt: number, more = {}) => ({
  replica: 0,
  attempt,
  specHash: HASH,
  submitTime: atMs(0),
  nonce: 'entropy0',
  doubtUntil: atMs(120),
  settledAttempt: 0,
  failures: [],
  ...more,
});
const SUBMITTING = (attempt: number) => ({
  phase: 'Pending',
  ready: `False Submitting: 0 of 1 replicas answer; replica 0: attempt ${attempt} is being submitted`,
  requeueAfterMs: 10_000,
});
const SEEN = seenRecord();
const NOTHING_ALLOWED = new Map([['alps', { rules: [], presets: new Map() }]]);
const LACKING = { kind: 'missing', field: 'spec.model.tokenFrom', message: 'there is no T' } as const;
const queued = pendingJob();
const serving = servingJob();
const failed = endedJob();
const twin = (job = pendingJob({ id: '102', submitMs: NOW - 100_000 })) => job;
const submit = (attempt: number) => ['claim', `submit vllm.default.chat.r0.a${attempt}`];

type Row = readonly [title: string, about: ObservationAbout, plan: Outline];

const rows: readonly Row[] = [
  [
    'nothing there yet: the first attempt is claimed, then submitted',
    {},
    { actions: submit(1), records: [claimed(1)], ...SUBMITTING(1) },
  ],
  [
    'acknowledged, and the listing is older than the answer: it is waited for',
    { status: { records: [record({ jobId: '101', submitTime: atMs(-5), doubtUntil: atMs(-1) })] } },
    {
      actions: [],
      records: [record({ jobId: '101', submitTime: atMs(-5), doubtUntil: atMs(-1) })],
      phase: 'Pending',
      ready:
        'False Submitted: 0 of 1 replicas answer; replica 0: attempt 1 is submitted (job 101); waiting to see it in the queue',
      requeueAfterMs: 10_000,
    },
  ],
  [
    'of unknown fate: it is looked for until it can no longer land',
    { status: { records: [record({ submitTime: atMs(-5), doubtUntil: atMs(60) })] } },
    {
      actions: [],
      records: [record({ submitTime: atMs(-5), doubtUntil: atMs(60) })],
      phase: 'Unknown',
      ready: `False SubmissionInDoubt: 0 of 1 replicas answer; replica 0: SLURM did not say whether attempt 1 was accepted; looking for it until ${atMs(60)}`,
      requeueAfterMs: 70_000,
    },
  ],
  [
    'of unknown fate and never landed: the same attempt is submitted again',
    { status: { records: [record({ doubtUntil: atMs(-2) })] } },
    { actions: submit(1), records: [claimed(1)], ...SUBMITTING(1) },
  ],
  [
    'of unknown fate and landed: the job is adopted, the doubt is over',
    { status: { records: [record({ doubtUntil: atMs(60) })] }, jobs: [queued] },
    {
      actions: [],
      records: [SEEN],
      phase: 'Queued',
      ready:
        'False Queued: 0 of 1 replicas answer; replica 0: job 101 is queued (Priority): Jobs of higher priority are ahead in the queue. A shorter spec.slurm.time lets it fit into gaps before them.',
      requeueAfterMs: undefined,
    },
  ],
  [
    'the status is lost: the jobs tell the attempt and the spec',
    { jobs: [servingJob({ attempt: 7 })], probes: [[servingJob({ attempt: 7 }), ANSWERS]] },
    {
      actions: [],
      records: [
        {
          replica: 0,
          attempt: 7,
          specHash: HASH,
          settledAttempt: 6,
          failures: [],
          jobId: '101',
          seen: true,
        },
      ],
      phase: 'Running',
      ready: 'True Ready: 1 of 1 replicas answer',
      requeueAfterMs: 43_000,
    },
  ],
  [
    'queued for what may never come: said so once the grace is over',
    {
      status: { records: [SEEN] },
      jobs: [pendingJob({ reason: 'PartitionTimeLimit', submitMs: NOW - 20_000 })],
    },
    {
      actions: [],
      records: [SEEN],
      phase: 'Queued',
      ready:
        'False Queued: 0 of 1 replicas answer; replica 0: job 101 is queued (PartitionTimeLimit): It asks for more time than the partition allows. Set spec.slurm.time lower or spec.slurm.partitions to another.',
      requeueAfterMs: 40_000,
    },
  ],
  [
    'queued for what never comes: Stalled, and left in the queue',
    { status: { records: [SEEN] }, jobs: [pendingJob({ reason: 'PartitionTimeLimit' })] },
    {
      actions: [],
      records: [SEEN],
      phase: 'Stalled',
      ready:
        'False QueuedForever: 0 of 1 replicas answer; replica 0: job 101 is queued (PartitionTimeLimit): It asks for more time than the partition allows. Set spec.slurm.time lower or spec.slurm.partitions to another.',
      requeueAfterMs: undefined,
    },
  ],
  [
    'queued for nodes, kept off one that it may use again: replaced',
    {
      status: { records: [seenRecord({ excluded: ['node002'] })] },
      jobs: [pendingJob({ reason: 'ReqNodeNotAvail, UnavailableNodes:node001' })],
    },
    {
      actions: ['claim', 'cancel 101: nodes it was kept off may be used again'],
      records: [seenRecord({ excluded: ['node002'], settledAttempt: 1 })],
      phase: 'Pending',
      ready:
        'False Replacing: 0 of 1 replicas answer; replica 0: job 101 waits without nodes that may be used again, and is replaced',
      requeueAfterMs: 10_000,
    },
  ],
  [
    'queued for nodes, kept off one for a while yet: looked at again when that is over',
    {
      status: {
        records: [seenRecord({ excluded: ['node002'] })],
        excludedNodes: [{ name: 'node002', reason: 'NodeFailed', until: at(600) }],
      },
      jobs: [pendingJob({ reason: 'ReqNodeNotAvail, UnavailableNodes:node001' })],
    },
    {
      actions: [],
      records: [seenRecord({ excluded: ['node002'] })],
      phase: 'Stalled',
      ready:
        'False QueuedForever: 0 of 1 replicas answer; replica 0: job 101 is queued (ReqNodeNotAvail, UnavailableNodes:node001): Nodes it must have are not available (down, drained or reserved). Check spec.slurm.nodelist, spec.slurm.exclude and status.excludedNodes; `sinfo -R` and `scontrol show reservation` tell why.',
      requeueAfterMs: 601_000,
    },
  ],
  [
    'its nodes are being prepared',
    { status: { records: [SEEN] }, jobs: [runningJob({ state: 'CONFIGURING' })] },
    {
      actions: [],
      records: [SEEN],
      phase: 'Starting',
      ready: 'False Configuring: 0 of 1 replicas answer; replica 0: job 101: SLURM prepares its nodes',
      requeueAfterMs: undefined,
    },
  ],
  [
    'running and loading: not overdue yet',
    { status: { records: [SEEN] }, jobs: [runningJob({ says: 'phase=loading' })] },
    {
      actions: [],
      records: [SEEN],
      phase: 'Starting',
      ready: 'False Loading: 0 of 1 replicas answer; replica 0: job 101 on node001 loads the model',
      requeueAfterMs: 45_000,
    },
  ],
  [
    'running beyond the start-up time-out and its slack: given up, the next attempt waits for its end',
    { status: { records: [SEEN] }, jobs: [runningJob({ startMs: NOW - 1_861_000 })] },
    {
      actions: [
        'claim',
        'cancel 101: job 101: the model did not answer within probes.startup.timeoutSeconds (it has not been asked yet)',
      ],
      records: [
        {
          ...SEEN,
          settledAttempt: 1,
          failures: [{ time: atMs(0), spends: true }],
          retryTime: atMs(FIRST_WAIT),
          retryReason: 'StartupTimeout',
        },
      ],
      phase: 'Pending',
      ready: 'False Stopping: 0 of 1 replicas answer; replica 0: job 101 must end before the next attempt',
      requeueAfterMs: 10_000,
    },
  ],
  [
    'answering as itself: ready',
    { status: { records: [SEEN] }, jobs: [serving], probes: [[serving, ANSWERS]] },
    {
      actions: [],
      records: [SEEN],
      phase: 'Running',
      ready: 'True Ready: 1 of 1 replicas answer',
      requeueAfterMs: 43_000,
    },
  ],
  [
    'silent, and not for long enough: not ready, and left alone',
    { status: { records: [SEEN] }, jobs: [serving], probes: [[serving, silentFor(60, 4)]] },
    {
      actions: [],
      records: [SEEN],
      phase: 'Failed',
      ready: 'False ProbeFailed: 0 of 1 replicas answer; replica 0: job 101 does not answer: connect ECONNREFUSED',
      requeueAfterMs: 25_000,
    },
  ],
  [
    'silent for too long: given up, its node blamed',
    { status: { records: [SEEN] }, jobs: [serving], probes: [[serving, silentFor(90, 6)]] },
    {
      actions: [
        'claim',
        'cancel 101: job 101: the endpoint stopped answering although SLURM calls the job running (connect ECONNREFUSED)',
      ],
      records: [
        { ...SEEN, settledAttempt: 1, failures: [{ time: atMs(0), spends: true }], abandoned: jobKey(serving) },
      ],
      phase: 'Pending',
      ready: 'False Stopping: 0 of 1 replicas answer; replica 0: job 101 must end before the next attempt',
      requeueAfterMs: 10_000,
    },
  ],
  [
    'silent for too long, and all others too: our own network may be to blame, nothing is given up',
    {
      status: { records: [SEEN] },
      jobs: [serving],
      probes: [[serving, silentFor(900, 60)]],
      facts: { networkSuspect: true },
    },
    {
      actions: [],
      records: [SEEN],
      phase: 'Failed',
      ready: 'False ProbeFailed: 0 of 1 replicas answer; replica 0: job 101 does not answer: connect ECONNREFUSED',
      requeueAfterMs: 45_000,
    },
  ],
  [
    'draining: out of the routes, and never given up for its silence',
    {
      status: { records: [SEEN] },
      jobs: [servingJob({ says: 'phase=draining|node=node001|port=20000', startMs: NOW - 9_000_000 })],
      probes: [[serving, silentFor(900, 60)]],
    },
    {
      actions: [],
      records: [SEEN],
      phase: 'Pending',
      ready: 'False Draining: 0 of 1 replicas answer; replica 0: job 101 is draining',
      requeueAfterMs: 45_000,
    },
  ],
  [
    'claiming a node that is not its own: not believed',
    {
      status: { records: [SEEN] },
      jobs: [runningJob({ says: 'phase=ready|node=node003|port=20000' })],
    },
    {
      actions: [],
      records: [SEEN],
      phase: 'Failed',
      ready:
        'False EndpointRefused: 0 of 1 replicas answer; replica 0: job 101 reports node node003, which is not in its allocation (node001)',
      requeueAfterMs: 45_000,
    },
  ],
  [
    'completing without a last word: its end is waited for',
    { status: { records: [SEEN] }, jobs: [completingJob()] },
    {
      actions: [],
      records: [SEEN],
      phase: 'Pending',
      ready: 'False Stopping: 0 of 1 replicas answer; replica 0: job 101 is ending',
      requeueAfterMs: undefined,
    },
  ],
  [
    'completing with a last word: judged, the next attempt comes without waiting for the clean-up',
    {
      status: { records: [SEEN] },
      jobs: [completingJob({ says: 'phase=failed|class=died|code=68|why=engine-exit-1' })],
    },
    {
      actions: submit(2),
      records: [claimed(2, { settledAttempt: 1, failures: [{ time: atMs(0), spends: true }] })],
      ...SUBMITTING(2),
    },
  ],
  [
    'given up and completing: the next attempt comes without waiting for a node that may never answer',
    {
      status: { records: [{ ...SEEN, settledAttempt: 1, abandoned: jobKey(completingJob()) }] },
      jobs: [completingJob()],
    },
    {
      actions: submit(2),
      records: [claimed(2, { settledAttempt: 1, abandoned: jobKey(completingJob()) })],
      ...SUBMITTING(2),
    },
  ],
  [
    'completing under the number of one that was given up long ago: waited for as any other',
    {
      status: { records: [{ ...SEEN, settledAttempt: 1, abandoned: `101@${NOW - 9_000_000}` }] },
      jobs: [completingJob()],
    },
    {
      actions: [],
      records: [{ ...SEEN, settledAttempt: 1, abandoned: `101@${NOW - 9_000_000}` }],
      phase: 'Pending',
      ready: 'False Stopping: 0 of 1 replicas answer; replica 0: job 101 must end before the next attempt',
      requeueAfterMs: undefined,
    },
  ],
  [
    'ended, and SLURM has not said how: asked again',
    { status: { records: [SEEN] }, jobs: [failed] },
    {
      actions: [],
      records: [SEEN],
      phase: 'Pending',
      ready: 'False Stopping: 0 of 1 replicas answer; replica 0: job 101 has ended (FAILED); asking SLURM how',
      requeueAfterMs: 5_000,
    },
  ],
  [
    'ended, and SLURM does not say how for a minute: the listing has to do',
    { status: { records: [SEEN] }, jobs: [endedJob({ state: 'TIMEOUT', endMs: NOW - 61_000 })] },
    {
      actions: submit(2),
      records: [claimed(2, { settledAttempt: 1, failures: [{ time: atMs(0), spends: false }] })],
      ...SUBMITTING(2),
    },
  ],
  [
    'died: judged once, and the next attempt backs off',
    { status: { records: [SEEN] }, jobs: [failed], endings: [[failed, endingOf(failed)]] },
    {
      actions: [],
      records: [
        {
          ...SEEN,
          settledAttempt: 1,
          failures: [{ time: atMs(0), spends: true }],
          retryTime: atMs(FIRST_WAIT),
          retryReason: 'EngineFailed',
        },
      ],
      phase: 'Failed',
      ready: `False EngineFailed: 0 of 1 replicas answer; replica 0: the next attempt is not submitted before ${at(10)}: job 101: the engine died (FAILED; exit code 1); read the log tail`,
      requeueAfterMs: FIRST_WAIT * 1000,
    },
  ],
  [
    'died before, and the wait is not over: only waited for',
    {
      status: {
        records: [
          {
            ...SEEN,
            settledAttempt: 1,
            failures: [{ time: atMs(-5), spends: true }],
            retryTime: atMs(7),
            retryReason: 'EngineFailed',
          },
        ],
      },
      jobs: [failed],
    },
    {
      actions: [],
      records: [
        {
          ...SEEN,
          settledAttempt: 1,
          failures: [{ time: atMs(-5), spends: true }],
          retryTime: atMs(7),
          retryReason: 'EngineFailed',
        },
      ],
      phase: 'Failed',
      ready: `False EngineFailed: 0 of 1 replicas answer; replica 0: the next attempt is not submitted before ${at(7)}`,
      requeueAfterMs: 7_000,
    },
  ],
  [
    'died before, and the wait is over: the next attempt',
    {
      status: {
        records: [
          {
            ...SEEN,
            settledAttempt: 1,
            failures: [{ time: atMs(-15), spends: true }],
            retryTime: atMs(0),
            retryReason: 'EngineFailed',
          },
        ],
      },
      jobs: [failed],
    },
    {
      actions: submit(2),
      records: [claimed(2, { settledAttempt: 1, failures: [{ time: atMs(-15), spends: true }] })],
      ...SUBMITTING(2),
    },
  ],
  [
    'died once too often: held until the spec changes',
    {
      spec: { restartPolicy: { maxRestarts: 1 } },
      status: { records: [{ ...SEEN, failures: [{ time: atMs(-100), spends: true }] }] },
      jobs: [failed],
      endings: [[failed, endingOf(failed)]],
    },
    {
      actions: [],
      records: [
        {
          ...SEEN,
          settledAttempt: 1,
          failures: [
            { time: atMs(-100), spends: true },
            { time: atMs(0), spends: true },
          ],
          retryTime: atMs(2 * FIRST_WAIT),
          retryReason: 'EngineFailed',
          held: { reason: 'RestartsExhausted', generation: 1 },
        },
      ],
      phase: 'Stalled',
      ready:
        'False RestartsExhausted: 0 of 1 replicas answer; replica 0: given up (RestartsExhausted) until the spec changes: job 101: the engine died (FAILED; exit code 1); read the log tail',
      requeueAfterMs: undefined,
    },
  ],
  [
    'ended by nobody’s fault when the budget is spent: not held for it',
    {
      spec: { restartPolicy: { maxRestarts: 0 } },
      status: { records: [{ ...SEEN, failures: [{ time: atMs(-100), spends: true }] }] },
      jobs: [endedJob({ state: 'TIMEOUT', endMs: NOW - 61_000 })],
    },
    {
      actions: [],
      records: [
        {
          ...SEEN,
          settledAttempt: 1,
          failures: [
            { time: atMs(-100), spends: true },
            { time: atMs(0), spends: false },
          ],
          retryTime: atMs(FIRST_WAIT),
          retryReason: 'WalltimeReached',
        },
      ],
      phase: 'Failed',
      ready: `False WalltimeReached: 0 of 1 replicas answer; replica 0: the next attempt is not submitted before ${at(10)}: job 101: the job reached its walltime (TIMEOUT); set spec.slurm.time to a longer walltime if the partition allows it`,
      requeueAfterMs: FIRST_WAIT * 1000,
    },
  ],
  [
    'held, and the spec has changed: forgiven and tried at once',
    {
      generation: 2,
      status: {
        records: [
          {
            ...SEEN,
            settledAttempt: 1,
            failures: [{ time: atMs(-5), spends: true }],
            held: { reason: 'OutOfMemory', generation: 1 },
          },
        ],
      },
    },
    { actions: submit(2), records: [claimed(2, { settledAttempt: 1 })], ...SUBMITTING(2) },
  ],
  [
    'held, and an edit that is no good: held on',
    {
      generation: 2,
      specGeneration: 1,
      problems: [{ field: 'spec.replicas', message: 'must be a number' }],
      status: { records: [{ ...SEEN, settledAttempt: 1, held: { reason: 'OutOfMemory', generation: 1 } }] },
    },
    {
      actions: [],
      records: [{ ...SEEN, settledAttempt: 1, held: { reason: 'OutOfMemory', generation: 1 } }],
      phase: 'Stalled',
      ready: 'False InvalidSpec: spec.replicas: must be a number; generation 1 is kept until this is corrected',
      requeueAfterMs: undefined,
    },
  ],
  [
    'cancelled by somebody else where that means hold: held',
    {
      spec: { restartPolicy: { onExternalCancel: 'Hold' } },
      status: { records: [SEEN] },
      jobs: [endedJob({ state: 'CANCELLED' })],
      endings: [
        [endedJob({ state: 'CANCELLED' }), endingOf(endedJob({ state: 'CANCELLED' }), { exitCode: 0, reason: 'None' })],
      ],
    },
    {
      actions: [],
      records: [
        {
          ...SEEN,
          settledAttempt: 1,
          failures: [{ time: atMs(0), spends: false }],
          retryTime: atMs(FIRST_WAIT),
          retryReason: 'CancelledExternally',
          held: { reason: 'CancelledExternally', generation: 1 },
        },
      ],
      phase: 'Stalled',
      ready:
        'False CancelledExternally: 0 of 1 replicas answer; replica 0: given up (CancelledExternally) until the spec changes: job 101: somebody other than the operator cancelled the job (CANCELLED); to stop it for good set spec.suspend or delete the deployment; spec.restartPolicy.onExternalCancel decides what a cancel does',
      requeueAfterMs: undefined,
    },
  ],
  [
    'ended, made from an older spec: not judged, the present one is tried at once',
    {
      generation: 2,
      status: { records: [seenRecord({ specHash: hashOf(OLD) })] },
      jobs: [endedJob({ spec: OLD })],
    },
    { actions: submit(2), records: [claimed(2, { settledAttempt: 1 })], ...SUBMITTING(2) },
  ],
  [
    'a twin slipped into the queue: it is cancelled, the running copy stays',
    {
      status: { records: [SEEN] },
      jobs: [twin(), serving],
      probes: [[serving, ANSWERS]],
    },
    {
      actions: ['cancel 102: a twin of attempt 1'],
      records: [SEEN],
      phase: 'Running',
      ready: 'True Ready: 1 of 1 replicas answer',
      requeueAfterMs: 10_000,
    },
  ],
  [
    'an older attempt lives on: it is cancelled',
    {
      status: { records: [seenRecord({ attempt: 2, jobId: '105', settledAttempt: 1 })] },
      jobs: [serving, servingJob({ attempt: 2, id: '105' })],
      probes: [[servingJob({ attempt: 2, id: '105' }), ANSWERS]],
    },
    {
      actions: ['cancel 101: attempt 1 was replaced by attempt 2'],
      records: [seenRecord({ attempt: 2, jobId: '105', settledAttempt: 1 })],
      phase: 'Running',
      ready: 'True Ready: 1 of 1 replicas answer',
      requeueAfterMs: 10_000,
    },
  ],
  [
    'a job of an attempt that was given up lives on: it is cancelled, and the next attempt waits for its end',
    { status: { records: [{ ...SEEN, settledAttempt: 1 }] }, jobs: [serving] },
    {
      actions: ['cancel 101: attempt 1 was given up'],
      records: [{ ...SEEN, settledAttempt: 1 }],
      phase: 'Pending',
      ready: 'False Stopping: 0 of 1 replicas answer; replica 0: job 101 must end before the next attempt',
      requeueAfterMs: 10_000,
    },
  ],
  [
    'given up while it could still land: the next attempt waits until it cannot',
    { status: { records: [record({ settledAttempt: 1, submitTime: atMs(-5), doubtUntil: atMs(30) })] } },
    {
      actions: [],
      records: [record({ settledAttempt: 1, submitTime: atMs(-5), doubtUntil: atMs(30) })],
      phase: 'Unknown',
      ready:
        'False SubmissionInDoubt: 0 of 1 replicas answer; replica 0: attempt 1 may still arrive; waiting for it before the next',
      requeueAfterMs: 40_000,
    },
  ],
  [
    'missing from the listing: accounting is asked before anything is concluded',
    { status: { records: [SEEN] } },
    {
      actions: [],
      records: [{ ...SEEN, missingSince: atMs(-1) }],
      phase: 'Unknown',
      ready:
        'False JobMissing: 0 of 1 replicas answer; replica 0: job 101 is not in the queue; asking accounting before it counts as lost',
      requeueAfterMs: 10_000,
    },
  ],
  [
    'missing for long, but in one listing only: nothing is concluded without another look',
    { now: NOW + 600_000, askedAtMs: NOW - 1_000, status: { records: [{ ...SEEN, missingSince: atMs(-1) }] } },
    {
      actions: [],
      records: [{ ...SEEN, missingSince: atMs(-1) }],
      phase: 'Unknown',
      ready:
        'False JobMissing: 0 of 1 replicas answer; replica 0: job 101 is not in the queue; asking accounting before it counts as lost',
      requeueAfterMs: 10_000,
    },
  ],
  [
    'missing, and accounting knows how it ended: judged like any end',
    {
      status: { records: [SEEN] },
      facts: {
        history: new Map([
          ['vllm.default.chat.r0.a1', { kind: 'ended', ending: endingOf(endedJob({ state: 'TIMEOUT' })) }],
        ]),
      },
    },
    {
      actions: submit(2),
      records: [claimed(2, { settledAttempt: 1, failures: [{ time: atMs(0), spends: false }] })],
      ...SUBMITTING(2),
    },
  ],
  [
    'missing for the grace, and accounting knows nothing: lost, and replaced after a wait',
    {
      status: { records: [{ ...SEEN, missingSince: atMs(-61) }] },
      facts: { history: new Map([['vllm.default.chat.r0.a1', { kind: 'none' }]]) },
    },
    {
      actions: [],
      records: [
        {
          ...SEEN,
          missingSince: atMs(-61),
          settledAttempt: 1,
          failures: [{ time: atMs(0), spends: false }],
          retryTime: atMs(FIRST_WAIT),
          retryReason: 'Vanished',
        },
      ],
      phase: 'Failed',
      ready: `False Vanished: 0 of 1 replicas answer; replica 0: the next attempt is not submitted before ${at(10)}: job 101: the job is in neither the queue nor accounting any more`,
      requeueAfterMs: FIRST_WAIT * 1000,
    },
  ],
  [
    'missing for the grace, and accounting cannot be asked: waited for five times as long',
    { status: { records: [{ ...SEEN, missingSince: atMs(-290) }] } },
    {
      actions: [],
      records: [{ ...SEEN, missingSince: atMs(-290) }],
      phase: 'Unknown',
      ready:
        'False JobMissing: 0 of 1 replicas answer; replica 0: job 101 is not in the queue; asking accounting before it counts as lost',
      requeueAfterMs: 10_000,
    },
  ],
  [
    'acknowledged, never shown, and gone for the grace: the same attempt again, under its name',
    {
      status: { records: [record({ jobId: '101', missingSince: atMs(-61) })] },
      facts: { history: new Map([['vllm.default.chat.r0.a1', { kind: 'unkept' }]]) },
    },
    { actions: submit(1), records: [claimed(1)], ...SUBMITTING(1) },
  ],
  [
    'refused before, and it is time: the same attempt again',
    {
      status: {
        records: [
          record({
            failures: [{ time: atMs(-600), spends: false }],
            retryTime: atMs(-1),
            retryReason: 'SubmissionRejected',
          }),
        ],
      },
    },
    {
      actions: submit(1),
      records: [claimed(1, { failures: [{ time: atMs(-600), spends: false }] })],
      ...SUBMITTING(1),
    },
  ],
  [
    'refused before, and the spec was edited: tried at once',
    {
      generation: 2,
      status: {
        records: [
          record({
            specHash: hashOf(OLD),
            failures: [{ time: atMs(-6), spends: false }],
            retryTime: atMs(600),
            retryReason: 'SubmissionRejected',
          }),
        ],
      },
    },
    { actions: submit(1), records: [claimed(1)], ...SUBMITTING(1) },
  ],
  [
    'suspended: the job is cancelled, the slot and its number are kept',
    { spec: { suspend: true }, status: { records: [SEEN] }, jobs: [serving], probes: [[serving, ANSWERS]] },
    {
      actions: ['claim', 'cancel 101: the deployment is suspended'],
      records: [{ ...SEEN, settledAttempt: 1, retired: true }],
      phase: 'Suspended',
      ready: 'False Suspended: spec.suspend is true: no jobs are kept',
      requeueAfterMs: 10_000,
    },
  ],
  [
    'suspended, and a submission may still land: nothing is submitted, and what lands is cancelled',
    {
      spec: { suspend: true },
      status: { records: [record({ settledAttempt: 1, retired: true, doubtUntil: atMs(60) })] },
      jobs: [queued],
    },
    {
      actions: ['cancel 101: the deployment is suspended'],
      records: [record({ settledAttempt: 1, retired: true, doubtUntil: atMs(60) })],
      phase: 'Suspended',
      ready: 'False Suspended: spec.suspend is true: no jobs are kept',
      requeueAfterMs: 10_000,
    },
  ],
  [
    'new, and its secret is missing: nothing is claimed, Stalled, looked for again',
    { facts: { secretProblems: [LACKING] } },
    {
      actions: [],
      records: [newRecord(0)],
      phase: 'Stalled',
      ready:
        'False SecretMissing: 0 of 1 replicas answer; replica 0: attempt 1 is not submitted without its secret, which is looked for again: spec.model.tokenFrom: there is no T',
      requeueAfterMs: 30_000,
    },
  ],
  [
    'new, and nobody can be asked for its secret: the same, and not Stalled',
    { facts: { secretProblems: [{ ...LACKING, kind: 'unreachable' }] } },
    {
      actions: [],
      records: [newRecord(0)],
      phase: 'Failed',
      ready:
        'False SecretUnreachable: 0 of 1 replicas answer; replica 0: attempt 1 is not submitted without its secret, which is looked for again: spec.model.tokenFrom: there is no T',
      requeueAfterMs: 30_000,
    },
  ],
  [
    'queued while its secret is missing: it has been given its own',
    { status: { records: [SEEN] }, jobs: [queued], facts: { secretProblems: [LACKING] } },
    {
      actions: [],
      records: [SEEN],
      phase: 'Queued',
      ready:
        'False Queued: 0 of 1 replicas answer; replica 0: job 101 is queued (Priority): Jobs of higher priority are ahead in the queue. A shorter spec.slurm.time lets it fit into gaps before them.',
      requeueAfterMs: 30_000,
    },
  ],
  [
    'new, and not allowed in its namespace: nothing is claimed, Stalled until the spec changes',
    { facts: { tenancy: NOTHING_ALLOWED } },
    {
      actions: [],
      records: [newRecord(0)],
      phase: 'Stalled',
      ready:
        "False NotAllowed: 0 of 1 replicas answer; replica 0: attempt 1 is not submitted as the operator's rules do not allow it in namespace default: metadata.namespace: the operator has no rule that gives default anything",
      requeueAfterMs: undefined,
    },
  ],
  [
    'queued when the rules are no longer for it: what was allowed is left to run',
    { status: { records: [SEEN] }, jobs: [queued], facts: { tenancy: NOTHING_ALLOWED } },
    {
      actions: [],
      records: [SEEN],
      phase: 'Queued',
      ready:
        'False Queued: 0 of 1 replicas answer; replica 0: job 101 is queued (Priority): Jobs of higher priority are ahead in the queue. A shorter spec.slurm.time lets it fit into gaps before them.',
      requeueAfterMs: undefined,
    },
  ],
  [
    'resumed while the old job still ends: waited for, then numbered on',
    { status: { records: [{ ...SEEN, settledAttempt: 1, retired: true }] }, jobs: [completingJob()] },
    {
      actions: [],
      records: [{ ...SEEN, settledAttempt: 1 }],
      phase: 'Pending',
      ready: 'False Stopping: 0 of 1 replicas answer; replica 0: job 101 must end before the next attempt',
      requeueAfterMs: undefined,
    },
  ],
];

describe('one replica', () => {
  for (const [title, about, plan] of rows) {
    it(title, () => assert.deepEqual(outlineOf(decide(observation(about))), plan));
  }

  it('is submitted under its name, with its marker, by the finished script, not begun later than its claim allows', () => {
    const { actions, status } = decide(observation());
    const identity = {
      ...KEY,
      replica: 0,
      attempt: 1,
      uid: UID,
      generation: 1,
      specHash: HASH,
      nonce: 'entropy0',
      owner: OWNER,
    };
    const { site, body } = observation();
    assert.deepEqual(actions, [
      { kind: 'claim', status },
      {
        kind: 'submit',
        replica: 0,
        attempt: 1,
        name: 'vllm.default.chat.r0.a1',
        script: renderScript({ identity, spec: specOf(), excludedNodes: [], site, body }),
        secrets: [],
        notAfterMs: NOW + 30_000,
      },
    ]);
  });

  it('is submitted with the secrets its spec names, and its script says where they will be', () => {
    const spec = {
      model: { uri: 'hf://org/model', tokenFrom: { env: 'T' } },
      endpoint: { apiKeyFrom: { file: '/k' } },
    };
    const submission = decide(observation({ spec })).actions.find((action) => action.kind === 'submit');
    const file = 'vllm.default.chat.r0.a1.uid-1';
    assert.deepEqual(submission?.secrets, [
      { kind: 'hf-token', field: 'spec.model.tokenFrom', source: { env: 'T' }, file: `${file}.hf-token` },
      { kind: 'api-key', field: 'spec.endpoint.apiKeyFrom', source: { file: '/k' }, file: `${file}.api-key` },
    ]);
    assert.deepEqual(submission?.script.match(/^VSO_\w+_FILE=.*$/gm), [
      `VSO_HF_TOKEN_FILE=/secrets/${OWNER}/${file}.hf-token`,
      `VSO_API_KEY_FILE=/secrets/${OWNER}/${file}.api-key`,
    ]);
  });

  it('blames a node and keeps the next attempt off it in the same turn', () => {
    const lost = endedJob({ state: 'NODE_FAIL' });
    const plan = decide(
      observation({
        status: { records: [SEEN] },
        jobs: [lost],
        endings: [[lost, endingOf(lost, { reason: 'NodeDown', failedNodes: ['node001'] })]],
      }),
    );
    const submission = plan.actions.find((action) => action.kind === 'submit');
    assert.deepEqual(plan.status.excludedNodes, [{ name: 'node001', reason: 'NodeFailed', until: at(3_600) }]);
    assert.deepEqual(plan.status.records?.[0]?.excluded, ['node001']);
    assert.match(submission?.script ?? '', /^#SBATCH --exclude=node001$/m);
  });
});
