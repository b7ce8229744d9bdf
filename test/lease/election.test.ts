import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Election, type ElectionTiming, startElection } from '../../src/lease/election.ts';
import type { LeasePort, LeaseRecord } from '../../src/lease/lease.ts';
import { err, ok } from '../../src/result.ts';
import { createManualClock, type ManualClock } from '../gen/manual-clock.ts';

const TIMING: ElectionTiming = { durationMs: 15_000, renewMs: 10_000, retryMs: 2_000 };

/** One record; each candidate reaches it over a line of its own that can be cut. */
function sharedLease() {
  let record: LeaseRecord | undefined;
  let version = 0;
  let writes = 0;
  return {
    record: () => record,
    writes: () => writes,
    line() {
      let state: 'up' | 'cut' | 'answers lost' = 'up';
      const unavailable = err({ kind: 'unavailable' as const, message: 'no connection' });
      const port: LeasePort = {
        read: async () => (state === 'cut' ? unavailable : ok(record)),
        async write(seen, { holder, durationMs }) {
          if (state === 'cut') return unavailable;
          if (seen?.version !== record?.version) return err({ kind: 'conflict', message: 'it changed' });
          version += 1;
          writes += 1;
          record = { version: String(version), holder, durationMs };
          return state === 'answers lost' ? unavailable : ok(record);
        },
      };
      return {
        port,
        set(to: typeof state) {
          state = to;
        },
      };
    },
  };
}

type Candidate = { readonly election: Election; readonly turns: boolean[]; readonly words: string[] };

function candidate(clock: ManualClock, lease: LeasePort, identity: string): Candidate {
  const turns: boolean[] = [];
  const words: string[] = [];
  const election = startElection({
    lease,
    clock,
    identity,
    random: () => 0.5,
    timing: TIMING,
    changed: (leads) => void turns.push(leads),
    log: (message) => void words.push(message),
  });
  return { election, turns, words };
}

test('the first candidate leads and renews, the second stands by and writes nothing', async () => {
  const clock = createManualClock();
  const lease = sharedLease();
  const a = candidate(clock, lease.line().port, 'a');
  await clock.advance(0);
  const b = candidate(clock, lease.line().port, 'b');
  await clock.advance(60_000);
  assert.deepEqual([a.election.leads(), b.election.leads()], [true, false]);
  assert.deepEqual([a.turns, b.turns], [[true], []]);
  assert.equal(lease.record()?.holder, 'a');
  assert.equal(lease.writes(), 1 + 30);
  assert.deepEqual(b.words, ['standing by: a holds the lease']);
  assert.equal(b.election.holder(), 'a');
});

test('a leader that cannot renew has stopped before another may begin, however its line was cut', async () => {
  for (const how of ['cut', 'answers lost'] as const) {
    const clock = createManualClock();
    const lease = sharedLease();
    const line = lease.line();
    const a = candidate(clock, line.port, 'a');
    await clock.advance(0);
    const b = candidate(clock, lease.line().port, 'b');
    await clock.advance(10_000);
    line.set(how);
    let both = 0;
    let neither = 0;
    for (let ms = 0; ms < 60_000; ms += 100) {
      await clock.advance(100);
      if (a.election.leads() && b.election.leads()) both += 1;
      if (!a.election.leads() && !b.election.leads()) neither += 100;
    }
    assert.equal(both, 0, how);
    if (how === 'cut') {
      // Standby within the lease and three seconds: 15 s from the last write, of which a led for 10.
      assert.equal(b.election.leads(), true);
      assert.ok(neither <= 8_000, `${neither} ms without a leader`);
      assert.deepEqual(a.turns, [true, false]);
    }
  }
});

test('a leader whose process was stopped has no effect when it comes back, not even the first', async () => {
  const clock = createManualClock();
  let elapsedMs = 0;
  /** Time goes on, timers do not run: SIGSTOP. */
  const stopped: ManualClock = { ...clock, now: () => clock.now() + elapsedMs };
  const lease = sharedLease();
  const a = candidate(stopped, lease.line().port, 'a');
  await clock.advance(1_000);
  assert.equal(a.election.leads(), true);
  elapsedMs = 60_000;
  assert.equal(a.election.leads(), false);
});

test('a lease that was given back is taken at the next try', async () => {
  const clock = createManualClock();
  const lease = sharedLease();
  const a = candidate(clock, lease.line().port, 'a');
  await clock.advance(0);
  const b = candidate(clock, lease.line().port, 'b');
  await clock.advance(5_000);
  await a.election.stop();
  assert.equal(lease.record()?.holder, '');
  await clock.advance(TIMING.retryMs);
  assert.deepEqual([a.election.leads(), b.election.leads()], [false, true]);
});

test('a candidate that stands by gives nothing back when it ends', async () => {
  const clock = createManualClock();
  const lease = sharedLease();
  candidate(clock, lease.line().port, 'a');
  await clock.advance(0);
  const b = candidate(clock, lease.line().port, 'b');
  await clock.advance(5_000);
  await b.election.stop();
  await clock.advance(60_000);
  assert.equal(lease.record()?.holder, 'a');
  assert.equal(clock.nextTimerMs() !== undefined, true);
});

test('when the line comes back before anybody else came, it leads again', async () => {
  const clock = createManualClock();
  const lease = sharedLease();
  const line = lease.line();
  const a = candidate(clock, line.port, 'a');
  await clock.advance(0);
  line.set('cut');
  await clock.advance(30_000);
  assert.equal(a.election.leads(), false);
  line.set('up');
  await clock.advance(5_000);
  assert.deepEqual([a.election.leads(), a.turns], [true, [true, false, true]]);
});
