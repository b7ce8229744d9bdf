import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { chooseSlots, withUnrecorded } from '../../src/decide/slots.ts';
import { endedJob, record, runningJob } from '../gen/observation.ts';

const slot = (replica: number, more = {}) => record({ replica, attempt: replica + 3, ...more });
const gone = (replica: number) => slot(replica, { settledAttempt: replica + 3, retired: true });

describe('which replica slots are kept', () => {
  const rows: readonly (readonly [
    title: string,
    records: readonly ReturnType<typeof record>[],
    want: number,
    ranks: readonly number[],
    slots: ReturnType<typeof chooseSlots>,
  ])[] = [
    [
      'scaling up fills the lowest ordinals',
      [slot(1)],
      3,
      [0],
      {
        wanted: [
          { replica: 0, attempt: 0, settledAttempt: 0, failures: [] },
          slot(1),
          { replica: 2, attempt: 0, settledAttempt: 0, failures: [] },
        ],
        unwanted: [],
      },
    ],
    [
      'a slot taken up again keeps counting its attempts',
      [slot(0), gone(1)],
      2,
      [0, 3],
      { wanted: [slot(0), gone(1)], unwanted: [] },
    ],
    [
      'scaling down gives up those that do not serve',
      [slot(0), slot(1), slot(2)],
      1,
      [2, 0, 1],
      { wanted: [slot(1)], unwanted: [gone(0), gone(2)] },
    ],
    [
      'then the highest ordinals',
      [slot(0), slot(1), slot(2)],
      2,
      [0, 0, 0],
      { wanted: [slot(0), slot(1)], unwanted: [gone(2)] },
    ],
    [
      'none are wanted: all are kept on record',
      [slot(0), gone(1)],
      0,
      [0, 3],
      { wanted: [], unwanted: [gone(0), gone(1)] },
    ],
    [
      'what may still land is remembered of a slot given up',
      [slot(0, { doubtUntil: '2026-03-04T12:01:00.000Z', held: { reason: 'OutOfMemory', generation: 1 } })],
      0,
      [2],
      { wanted: [], unwanted: [{ ...gone(0), doubtUntil: '2026-03-04T12:01:00.000Z' }] },
    ],
  ];
  for (const [title, records, want, ranks, slots] of rows) {
    it(title, () =>
      assert.deepEqual(
        chooseSlots(records, want, (one) => ranks[records.indexOf(one)] ?? 3),
        slots,
      ),
    );
  }

  it('never loses a slot or an attempt number, wants as many as asked, and gives up none that serves before one that does not', () => {
    const records = fc
      .uniqueArray(fc.nat(8), { maxLength: 9 })
      .chain((replicas) =>
        fc.tuple(
          ...replicas.map((replica) => fc.boolean().map((retired) => (retired ? gone(replica) : slot(replica)))),
        ),
      );
    fc.assert(
      fc.property(records, fc.nat(9), fc.infiniteStream(fc.nat(3)), (before, want, stream) => {
        const ranks = new Map(before.map((one) => [one.replica, stream.next().value as number]));
        const rankOf = (one: { readonly replica: number }) => ranks.get(one.replica) ?? 3;
        const { wanted, unwanted } = chooseSlots(before, want, rankOf);
        assert.equal(wanted.length, want);
        const after = new Map([...wanted, ...unwanted].map((one) => [one.replica, one.attempt]));
        assert.equal(after.size, wanted.length + unwanted.length);
        for (const one of before) assert.equal(after.get(one.replica), one.attempt);
        const active = before.filter((one) => !one.retired);
        if (active.length < want) return;
        const givenUp = active.filter((one) => !wanted.some((other) => other.replica === one.replica));
        const leastKept = Math.max(0, ...wanted.map(rankOf));
        for (const one of givenUp) assert.ok(rankOf(one) >= leastKept);
      }),
    );
  });
});

describe('slots no record tells of', () => {
  it('are found by the jobs in them, live or not', () => {
    assert.deepEqual(
      withUnrecorded([slot(1)], [endedJob({ replica: 2 }), runningJob({ replica: 0 }), runningJob({ replica: 1 })]),
      [
        { replica: 0, attempt: 0, settledAttempt: 0, failures: [] },
        slot(1),
        { replica: 2, attempt: 0, settledAttempt: 0, failures: [] },
      ],
    );
  });
});
