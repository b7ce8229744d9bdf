import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explain } from '../../src/decide/explain.ts';
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

describe('why a job waits', () => {
  for (const [reason, forever, words] of REASONS) {
    it(`${reason || 'no reason'} has a sentence of its own`, () => {
      const told = explain(reason);
      assert.deepEqual({ reason: told.reason, forever: told.forever }, { reason, forever });
      assert.match(told.text, words);
      assert.notEqual(told.text, UNKNOWN);
    });
  }

  it('takes off the brackets that squeue puts around a reason', () => {
    assert.deepEqual(explain('(Priority)'), explain('Priority'));
    assert.deepEqual(explain('(null)'), { ...explain(''), reason: 'null' });
  });

  it('says of a reason nobody foresaw that it is SLURM’s, and does not call it hopeless', () => {
    assert.deepEqual(explain('MoonPhase'), { reason: 'MoonPhase', text: UNKNOWN, forever: false });
  });

  it('advises in fields that exist', () => {
    const fields = REASONS.flatMap(([reason]) => fieldsNamedBy(explain(reason).text));
    assert.ok(fields.length > 0);
    assert.deepEqual(
      fields.filter((field) => !isField(field)),
      [],
    );
  });
});
