import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type EndpointClaim, endpointOf, type Health, healthOf } from '../../src/decide/health.ts';
import type { OwnJob } from '../../src/decide/observation.ts';
import type { ProbeMemory } from '../../src/probe/prober.ts';
import {
  ANSWERS,
  NOW,
  observation,
  pendingJob,
  runningJob,
  servingJob,
  silentFor,
  specOf,
} from '../gen/observation.ts';

describe('where an endpoint is', () => {
  const rows: readonly (readonly [title: string, job: OwnJob, claim: EndpointClaim])[] = [
    ['nowhere while the job says nothing', runningJob(), { kind: 'none' }],
    ['nowhere while it waits, whatever it says', pendingJob({ says: 'node=node001|port=20000' }), { kind: 'none' }],
    [
      'where the job says, by the address of its node',
      servingJob(),
      { kind: 'at', node: 'node001', port: 20_000, url: 'http://10.0.0.1:20000' },
    ],
    [
      'by its name on a node SLURM does not list',
      runningJob({ nodes: ['node002'], says: 'node=node002|port=20000' }),
      { kind: 'at', node: 'node002', port: 20_000, url: 'http://node002:20000' },
    ],
    [
      'in brackets where the address is of the new kind',
      runningJob({ nodes: ['node006'], says: 'node=node006|port=30000' }),
      { kind: 'at', node: 'node006', port: 30_000, url: 'http://[fd00::6]:30000' },
    ],
    [
      'refused on a node that is not the job’s',
      runningJob({ says: 'node=node002|port=20000' }),
      { kind: 'refused', why: 'job 101 reports node node002, which is not in its allocation (node001)' },
    ],
    [
      'refused on a port out of the range',
      runningJob({ says: 'node=node001|port=22' }),
      { kind: 'refused', why: 'job 101 reports port 22, outside 20000-30000' },
    ],
  ];
  const seen = observation({
    facts: {
      nodeAddresses: new Map([
        ['node001', '10.0.0.1'],
        ['node006', 'fd00::6'],
      ]),
    },
  });
  for (const [title, job, claim] of rows) it(title, () => assert.deepEqual(endpointOf(job, specOf(), seen), claim));

  it('stays where it was published, and is nowhere else, while SLURM has named no node', () => {
    const blind = { ...seen, nodeAddresses: new Map<string, string>() };
    const url = 'http://10.0.0.1:20000';
    const published = { jobId: '101', node: 'node001', port: 20_000, url, replica: 0, role: 'Serving' as const };
    assert.deepEqual(
      [
        endpointOf(servingJob(), specOf(), blind),
        endpointOf(servingJob(), specOf(), blind, [{ ...published, ready: true, since: '2026-03-04T11:00:00Z' }]),
      ],
      [{ kind: 'none' }, { kind: 'at', node: 'node001', port: 20_000, url }],
    );
  });

  it('goes by the present spec’s port unless it was published before', () => {
    const spec = specOf({ endpoint: { port: 9_000 } });
    const published = { jobId: '101', node: 'node001', port: 20_000 };
    const endpoint = {
      ...published,
      replica: 0,
      url: 'http://10.0.0.1:20000',
      role: 'Serving' as const,
      ready: true,
      since: '2026-03-04T11:00:00Z',
    };
    assert.deepEqual(
      [[], [endpoint], [{ ...endpoint, jobId: '100' }]].map(
        (known) => endpointOf(servingJob(), spec, seen, known).kind,
      ),
      ['refused', 'at', 'refused'],
    );
  });
});

describe('how an endpoint is', () => {
  const never = (failures: number): ProbeMemory => ({
    lastOkMs: undefined,
    failures,
    lastError: 'connect ECONNREFUSED',
  });
  const why = 'connect ECONNREFUSED';
  const loading = { says: 'phase=loading|node=node001|port=20000' };
  const old = { startMs: NOW - 90_000_000 };
  const rows: readonly (readonly [
    title: string,
    job: ReturnType<typeof runningJob>,
    probe: ProbeMemory | undefined,
    servedBefore: boolean,
    health: Health,
  ])[] = [
    ['ready when it answered a moment ago', servingJob(), ANSWERS, true, { kind: 'ready' }],
    ['ready when one answer is missing', servingJob(), silentFor(20, 1), true, { kind: 'ready' }],
    ['ready until the window of three periods is over', servingJob(), silentFor(44.999, 2), true, { kind: 'ready' }],
    ['failing from then on', servingJob(), silentFor(45, 3), true, { kind: 'failing', why }],
    [
      'failing until the in-job watchdog had its time',
      servingJob(),
      silentFor(84.999, 6),
      true,
      { kind: 'failing', why },
    ],
    ['given up after that', servingJob(), silentFor(85, 6), true, { kind: 'unresponsive', why }],
    [
      'not given up by time alone: the probes must have failed, one after the other',
      servingJob(),
      silentFor(9_000, 2),
      true,
      { kind: 'failing', why },
    ],
    ['starting while it loads', runningJob(loading), never(1), false, { kind: 'starting' }],
    ['starting however often it was asked too early', runningJob(loading), never(50), false, { kind: 'starting' }],
    [
      'overdue at the start-up time-out and its slack',
      runningJob({ ...loading, startMs: NOW - 1_861_000 }),
      never(50),
      false,
      { kind: 'overdue', why },
    ],
    [
      'starting a moment before',
      runningJob({ ...loading, startMs: NOW - 1_860_999 }),
      never(50),
      false,
      { kind: 'starting' },
    ],
    [
      'failing, never overdue, when it served before and the operator has just been restarted',
      servingJob(old),
      never(1),
      true,
      { kind: 'failing', why },
    ],
    [
      'failing when it was not asked yet',
      servingJob(old),
      undefined,
      true,
      { kind: 'failing', why: 'it has not been asked yet' },
    ],
    ['given up when it then stays silent', servingJob(old), never(6), true, { kind: 'unresponsive', why }],
    [
      'not ready by an answer from the future: the clock was set back',
      servingJob(),
      { lastOkMs: NOW + 3_600_000, failures: 1, lastError: why },
      true,
      { kind: 'failing', why },
    ],
    [
      'ready when the clock was set back by less than the window',
      servingJob(),
      { lastOkMs: NOW + 1_000, failures: 0, lastError: undefined },
      true,
      { kind: 'ready' },
    ],
  ];
  for (const [title, job, probe, servedBefore, health] of rows) {
    it(title, () => {
      const seen = observation({ probes: probe ? [[job, probe]] : [] });
      assert.deepEqual(healthOf(job, specOf(), seen, servedBefore), health);
    });
  }

  it('is not given up while every endpoint of the fleet is silent', () => {
    const seen = observation({ probes: [[servingJob(), silentFor(9_000, 99)]], facts: { networkSuspect: true } });
    assert.deepEqual(healthOf(servingJob(), specOf(), seen, true), { kind: 'failing', why });
  });
});
