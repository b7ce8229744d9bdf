import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { FailureRule } from '../../src/decide/failure-rule.ts';
import { DEFAULT_POLICY } from '../../src/decide/policy.ts';
import { budgetExhausted, type PastFailure, recordFailure, waitMs } from '../../src/decide/retry.ts';
import { NOW, specOf } from '../gen/observation.ts';

const RESTART = specOf().restartPolicy;
const failures = (count: number, spends = true): readonly PastFailure[] =>
  Array.from({ length: count }, (_, i) => ({ atMs: NOW - (count - 1 - i) * 1000, spends }));

describe('the wait before the next attempt', () => {
  const rows: readonly (readonly [
    title: string,
    retry: FailureRule['retry'],
    count: number,
    least: number | undefined,
  ])[] = [
    ['none at the first failure that is nobody’s fault', 'now', 1, 0],
    ['the initial one at its second', 'now', 2, 10_000],
    ['twice that at its third', 'now', 3, 20_000],
    ['the initial one after the first failure', 'backoff', 1, 10_000],
    ['twice that after the second', 'backoff', 2, 20_000],
    ['eight times after the fourth', 'backoff', 4, 80_000],
    ['the cap in the end', 'backoff', 7, 600_000],
    ['still the cap when failures are beyond counting', 'backoff', 101, 600_000],
    ['the operator’s own after a refusal, however often', 'slowly', 5, DEFAULT_POLICY.rejectedRetryMs],
    ['for ever where only an edit helps', 'never', 1, undefined],
  ];
  for (const [title, retry, count, least] of rows) {
    it(`is ${title}`, () => {
      const wait = waitMs({ retry }, failures(count), RESTART, DEFAULT_POLICY, 'seed');
      if (least === undefined || least === 0) assert.equal(wait, least);
      else assert.ok(wait !== undefined && wait >= least && wait <= least * 1.25, `${wait}`);
    });
  }

  it('lies between the policy’s bounds and a quarter more, and is the same whenever it is asked for', () => {
    const policies = fc.record({
      initialSeconds: fc.integer({ min: 1, max: 3_600 }),
      maxSeconds: fc.integer({ min: 1, max: 86_400 }),
    });
    fc.assert(
      fc.property(policies, fc.integer({ min: 1, max: 101 }), fc.string(), (backoff, count, seed) => {
        const ask = () =>
          waitMs({ retry: 'backoff' }, failures(count), { ...RESTART, backoff }, DEFAULT_POLICY, seed) ?? -1;
        const least = Math.min(backoff.initialSeconds, backoff.maxSeconds) * 1000;
        assert.equal(ask(), ask());
        assert.ok(ask() >= least && ask() <= Math.round(backoff.maxSeconds * 1000 * 1.25));
      }),
    );
  });

  it('differs between attempts, so that a fleet that fell together does not come back together', () => {
    const waits = Array.from({ length: 100 }, (_, replica) =>
      waitMs({ retry: 'backoff' }, failures(1), RESTART, DEFAULT_POLICY, `uid-1/${replica}/1`),
    );
    assert.ok(new Set(waits).size > 90);
  });
});

describe('the record of failures', () => {
  it('keeps those within the window, oldest first, the new one last', () => {
    const past = [
      { atMs: NOW - 3_600_000, spends: true },
      { atMs: NOW - 3_599_999, spends: true },
      { atMs: NOW - 1_000, spends: false },
    ];
    assert.deepEqual(recordFailure(past, { spendsBudget: true }, NOW, RESTART), [
      { atMs: NOW - 3_599_999, spends: true },
      { atMs: NOW - 1_000, spends: false },
      { atMs: NOW, spends: true },
    ]);
  });

  it('holds no more than the status may', () => {
    const kept = recordFailure(failures(101), { spendsBudget: true }, NOW + 1, RESTART);
    assert.deepEqual([kept.length, kept.at(-1)?.atMs], [101, NOW + 1]);
  });
});

describe('the budget', () => {
  const rows: readonly (readonly [
    title: string,
    past: readonly PastFailure[],
    maxRestarts: number,
    exhausted: boolean,
  ])[] = [
    ['is not spent by as many failures as it allows restarts', failures(5), 5, false],
    ['is spent by one more', failures(6), 5, true],
    ['of none is spent by the first', failures(1), 0, true],
    ['is not spent by what is nobody’s fault', failures(50, false), 0, false],
    ['of the most that can be set can be spent', failures(101), 100, true],
  ];
  for (const [title, past, maxRestarts, exhausted] of rows) {
    it(title, () => assert.equal(budgetExhausted(past, { ...RESTART, maxRestarts }), exhausted));
  }
});
