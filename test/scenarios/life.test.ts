import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serves } from '../../src/slurm/simulated/behaviour.ts';
import { deployment } from '../gen/deployment.ts';
import { createScenario } from './scenario.ts';

test('two deployments come up, one with three replicas, and nothing is written in an idle hour', async () => {
  const scenario = createScenario();
  scenario.apply('chat', deployment({ replicas: 3 }));
  scenario.apply('embed', deployment());
  scenario.start();
  const isReady = (name: string) => scenario.condition(name, 'Ready')?.status === 'True';
  await scenario.until('both are ready', () => isReady('chat') && isReady('embed'));
  assert.deepEqual(
    scenario.resource('chat')?.status.endpoints?.map(({ replica, role, ready }) => ({ replica, role, ready })),
    [0, 1, 2].map((replica) => ({ replica, role: 'Serving', ready: true })),
  );
  const writes = scenario.writes();
  await scenario.advance(3_600_000);
  assert.equal(scenario.writes(), writes);
});

test('a job that takes long to load is not given up the moment it says that it is ready', async () => {
  const scenario = createScenario({ cluster: { behave: () => serves({ port: 20_000, readyAfterMs: 612_000 }) } });
  scenario.apply('chat', deployment());
  scenario.start();
  await scenario.until('it is ready', () => scenario.condition('chat', 'Ready')?.status === 'True', 700_000);
});
