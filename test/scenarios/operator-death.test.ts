import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { deployment } from '../gen/deployment.ts';
import type { Moment } from '../gen/plug.ts';
import { createScenario, type Scenario } from './scenario.ts';

/** One chapter of a deployment's life: what is done, and when it is over. */
type Chapter = {
  readonly title: string;
  readonly begin: (scenario: Scenario) => void;
  readonly isOver: (scenario: Scenario) => boolean;
  /** Live jobs at the end. */
  readonly leaves: readonly string[];
};

/** Told one after the other; each begins where the one before ended. */
const CHAPTERS: readonly Chapter[] = [
  {
    title: 'coming up',
    begin: (scenario) => scenario.apply('chat', deployment({ replicas: 2 })),
    isOver: (scenario) => scenario.isReady('chat'),
    leaves: ['r0.a1', 'r1.a1'],
  },
  {
    title: 'replacing a job that failed',
    begin: (scenario) => scenario.cluster.control.preempt(scenario.jobs('chat')[0]?.job.serial ?? -1),
    isOver: (scenario) => scenario.isReady('chat') && live(scenario).includes('r0.a2'),
    leaves: ['r0.a2', 'r1.a1'],
  },
  {
    title: 'scaling down',
    begin: (scenario) => scenario.edit('chat', { replicas: 1 }),
    isOver: (scenario) => scenario.isReady('chat') && live(scenario).length === 1,
    leaves: ['r0.a2'],
  },
  {
    title: 'an edit',
    begin: (scenario) => scenario.edit('chat', { engine: { seed: 7 } }),
    isOver: (scenario) => scenario.isReady('chat') && live(scenario).includes('r0.a3'),
    leaves: ['r0.a3'],
  },
  {
    title: 'being deleted',
    begin: (scenario) => scenario.remove('chat'),
    isOver: (scenario) => scenario.resource('chat') === undefined,
    leaves: [],
  },
];

const DOWN_MS = 7_000;

describe('an operator killed at any of its calls, and started again, doubles, loses and forgets nothing', () => {
  for (const [index, { title }] of CHAPTERS.entries()) {
    for (const when of ['before', 'after'] as const) {
      it(`${title}: killed ${when} each call in turn`, async () => {
        let point = 1;
        while (await survives(index, point, when)) point += 1;
        assert.ok(point > 5, 'a chapter takes several calls');
      });
    }
  }
});

/** @returns whether the chapter has so many calls at all */
async function survives(index: number, point: number, when: Moment): Promise<boolean> {
  const scenario = createScenario();
  scenario.start();
  for (const { title, begin, isOver } of CHAPTERS.slice(0, index)) {
    begin(scenario);
    await scenario.until(title, () => isOver(scenario));
  }
  const { title, begin, isOver, leaves } = CHAPTERS[index] as Chapter;
  scenario.operator().killAt(point, when);
  begin(scenario);
  await scenario.until(`${title}, or a death`, () => !scenario.operator().alive() || isOver(scenario));
  const died = !scenario.operator().alive();
  if (died) {
    await scenario.advance(DOWN_MS);
    scenario.start();
    await scenario.until(`${title} after death ${when} call ${point}`, () => isOver(scenario));
  }
  assert.deepEqual(live(scenario), leaves, scenario.history());
  return died;
}

function live(scenario: Scenario): readonly string[] {
  return scenario.jobs('chat').map(({ identity }) => `r${identity.replica}.a${identity.attempt}`);
}

test('an operator started again adopts what runs and touches none of it', async () => {
  const scenario = createScenario();
  scenario.apply('chat', deployment({ replicas: 3 }));
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  const before = scenario.jobs('chat').map(({ job }) => job.serial);
  scenario.kill();
  await scenario.advance(3_600_000);
  const writes = scenario.writes();
  scenario.start();
  await scenario.advance(3_600_000);
  assert.deepEqual(
    { serials: scenario.jobs('chat').map(({ job }) => job.serial), writes: scenario.writes() - writes },
    { serials: before, writes: 0 },
  );
});

test('jobs that ended while no operator was there are replaced, and each end is counted once', async () => {
  const scenario = createScenario();
  scenario.apply('chat', deployment({ replicas: 2 }));
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  scenario.kill();
  for (const { job } of scenario.jobs('chat'))
    scenario.cluster.control.end(job.serial, {
      state: 'FAILED',
      exitCode: 68,
      signal: 0,
      reason: 'NonZeroExitCode',
      failedNodes: [],
    });
  await scenario.advance(200_000);
  scenario.start();
  await scenario.until('it is ready again', () => scenario.isReady('chat'));
  assert.deepEqual(live(scenario), ['r0.a2', 'r1.a2']);
  assert.deepEqual(
    scenario.resource('chat')?.status.records?.map(({ failures }) => failures.map(({ spends }) => spends)),
    [[true], [true]],
  );
});

test('an operator that is told to stop ends its turns and leaves every job alone', async () => {
  const scenario = createScenario();
  scenario.apply('chat', deployment({ replicas: 2 }));
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  await scenario.operator().stop();
  assert.deepEqual(
    { jobs: live(scenario), timers: scenario.operator().timers(), idle: scenario.operator().idle() },
    { jobs: ['r0.a1', 'r1.a1'], timers: 2, idle: true }, // the two endpoints' probes are the prober's to end
  );
});
