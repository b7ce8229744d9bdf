import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explain, pendingRow } from '../../src/decide/explain.ts';
import { PENDING_REASONS } from '../../src/decide/pending-reasons.ts';
import { fieldsNamedBy, isField } from './fields.ts';

const DOWN = 'Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions';
const UNKNOWN = 'SLURM gives this reason; see squeue(1) JOB REASON CODES.';

/** `%r` of pending jobs, as SLURM 22.05 to 26.05 printed it, and of squeue(1) what could not be made to happen. */
const REASONS: readonly (readonly [reason: string, forever: boolean, words: RegExp])[] = [
  ['None', false, /not looked at the job yet/],
  ['', false, /not looked at the job yet/],
  ['Priority', false, /higher priority/],
  ['Resources', false, /in use/],
  ['BeginTime', false, /set time/],
  ['Dependency', false, /of the same name/],
  ['DependencyNeverSatisfied', true, /can no longer end well/],
  ['JobHeldUser', true, /scontrol release/],
  ['JobHeldAdmin', true, /administrator/],
  ['job requeued in held state', true, /administrator/],
  ['PartitionTimeLimit', true, /spec\.slurm\.time/],
  ['PartitionNodeLimit', true, /more nodes/],
  ['PartitionDown', true, /closed/],
  ['PartitionInactive', true, /closed/],
  ['BadConstraints', true, /No node has/],
  ['AccountNotAllowed', true, /spec\.slurm\.account/],
  ['InvalidQOS', true, /spec\.slurm\.qos/],
  ['Reservation', false, /reservation/],
  ['QOSMaxWallDurationPerJobLimit', true, /One job asks for more/],
  ['QOSMaxGRESPerJob', true, /One job asks for more/],
  ['AssocMaxWallDurationPerJobLimit', true, /One job asks for more/],
  ['QOSGrpNodeLimit', false, /at its limit/],
  ['QOSMaxJobsPerUserLimit', false, /at its limit/],
  ['AssocGrpGRES', false, /at its limit/],
  ['AssociationJobLimit', false, /at its limit/],
  ['ReqNodeNotAvail, May be reserved for other job', true, /spec\.slurm\.nodelist/],
  ['ReqNodeNotAvail, UnavailableNodes:node004', true, /status\.excludedNodes/],
  [DOWN, true, /administrator brings them back/],
  ['NodeDown', true, /administrator brings them back/],
  ['Licenses', false, /licence/],
  ['Prolog', false, /prepares/],
  ['launch failed requeued held', true, /must look at its node/],
];

/** SLURM's own list, 22.05 to 26.05, the families written out. Source: its page of job reason codes. */
const KINDS = ['BB', 'Billing', 'Energy', 'GRES', 'License', 'Mem', 'Memory', 'Node', 'Cpu', 'CPU', 'Unknown'];
const EVERY_CODE: readonly string[] = [
  ...KINDS.flatMap((kind) => [
    ...['AssocGrp', 'QOSGrp'].flatMap((scope) => [
      `${scope}${kind}`,
      `${scope}${kind}Limit`,
      `${scope}${kind}Minutes`,
      `${scope}${kind}MinutesLimit`,
      `${scope}${kind}RunMinutes`,
      `${scope}${kind}RunMinutesLimit`,
    ]),
    ...['AssocMax', 'QOSMax'].flatMap((scope) => [
      `${scope}${kind}PerJob`,
      `${scope}${kind}PerJobLimit`,
      `${scope}${kind}PerNode`,
      `${scope}${kind}MinutesPerJob`,
      `${scope}${kind}MinutesPerJobLimit`,
    ]),
    `QOSMax${kind}PerUser`,
    `QOSMax${kind}PerUserLimit`,
    `QOSMin${kind}`,
    `Max${kind}PerAccount`,
  ]),
  ...'AssocGrpJobsLimit AssocGrpSubmitJobsLimit AssocGrpWallLimit AssocMaxJobsLimit AssocMaxSubmitJobLimit'.split(' '),
  ...'AssocMaxWallDurationPerJobLimit AssociationJobLimit AssociationResourceLimit AssociationTimeLimit'.split(' '),
  ...'QOSGrpJobsLimit QOSGrpSubmitJobsLimit QOSGrpWallLimit QOSMaxJobsPerUserLimit QOSMaxSubmitJobPerUserLimit'.split(
    ' ',
  ),
  ...'QOSMaxWallDurationPerJobLimit QOSMinCpuNotSatisfied QOSJobLimit QOSResourceLimit QOSTimeLimit'.split(' '),
  ...'QOSUsageThreshold QOSNotAllowed InvalidQOS AccountingPolicy AccountNotAllowed InvalidAccount'.split(' '),
  ...'MaxJobsPerAccount MaxSubmitJobsPerAccount MaxMemPerLimit'.split(' '),
  ...'None WaitingForScheduling Priority Resources BeginTime Dependency DependencyNeverSatisfied'.split(' '),
  ...'JobHeldUser JobHeldAdmin JobHoldMaxRequeue JobLaunchFailure JobArrayTaskLimit SchedDefer FedJobLock'.split(' '),
  ...'PartitionConfig PartitionDown PartitionInactive PartitionNodeLimit PartitionTimeLimit'.split(' '),
  ...'Reservation ReservationDeleted ReservationInvalid ReqNodeNotAvail NodeDown FrontEndDown SystemFailure'.split(' '),
  ...'BadConstraints Constraints Licenses Cleaning Prolog PowerNotAvail PowerReserved MaxPoweredUpNodes'.split(' '),
  ...'BurstBufferOperation BurstBufferResources BurstBufferStageIn MpiPortsBusy'.split(' '),
  ...'DeadLine InactiveLimit NonZeroExitCode OutOfMemory RaisedSignal TimeLimit'.split(' '),
];

describe('why a job waits', () => {
  for (const [reason, forever, words] of REASONS) {
    it(`${reason || 'no reason'} has a sentence of its own`, () => {
      const told = explain(reason);
      assert.deepEqual({ reason: told.reason, forever: told.forever }, { reason, forever });
      assert.match(told.text, words);
      assert.notEqual(told.text, UNKNOWN);
    });
  }

  it('is told in words for every code of SLURM’s own list', () => {
    assert.deepEqual(
      EVERY_CODE.filter((code) => pendingRow(code).row === undefined),
      [],
    );
  });

  it('is told by every row for the code in its heading, which no earlier row steals', () => {
    assert.deepEqual(
      PENDING_REASONS.map(({ codes: [first] }) => pendingRow(first).row),
      PENDING_REASONS,
    );
    assert.deepEqual(
      PENDING_REASONS.map(({ codes: [first] }) => first).filter((code) => !EVERY_CODE.includes(code)),
      [],
    );
  });

  it('is the same in the words scontrol prints, with `_` for each blank and details behind', () => {
    assert.deepEqual(pendingRow('launch_failed_requeued_held').row, pendingRow('JobLaunchFailure').row);
    assert.deepEqual(pendingRow('ReqNodeNotAvail(Unavailable:n1)').row, pendingRow('ReqNodeNotAvail').row);
  });

  it('is a used-up grant where minutes are spent for good, and a limit where running jobs give them back', () => {
    const forever = ['AssocGrpGRESMinutes', 'AssocGrpGRESRunMinutes', 'QOSMaxGRESMinutesPerJob'].map(
      (code) => explain(code).forever,
    );
    assert.deepEqual(forever, [true, false, true]);
  });

  it('takes off the brackets that squeue puts around a reason', () => {
    assert.deepEqual(explain('(Priority)'), explain('Priority'));
    assert.deepEqual(explain('(null)'), { ...explain(''), reason: 'null' });
  });

  it('says of a reason nobody foresaw that it is SLURM’s, and does not call it hopeless', () => {
    assert.deepEqual(explain('MoonPhase'), { reason: 'MoonPhase', text: UNKNOWN, forever: false });
  });

  it('advises in fields that exist', () => {
    const fields = PENDING_REASONS.flatMap(({ codes: [first] }) => fieldsNamedBy(explain(first).text));
    assert.ok(fields.length > 0);
    assert.deepEqual(
      fields.filter((field) => !isField(field)),
      [],
    );
  });
});
