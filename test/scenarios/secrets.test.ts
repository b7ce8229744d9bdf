import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Deps } from '../../src/controller/deps.ts';
import { deployment } from '../gen/deployment.ts';
import type { Moment } from '../gen/plug.ts';
import { diesAtEachCall, killedAt } from './deaths.ts';
import { createScenario, type Scenario, type ScenarioOptions } from './scenario.ts';

const KEY = 'sk-canary-key-1';
const TOKEN = 'hf_canarytoken1';
const SPEC = deployment({
  model: { uri: 'hf://org/model', tokenFrom: { env: 'TOKEN' } },
  endpoint: { apiKeyFrom: { env: 'KEY' } },
});

type Told = { readonly submitted: string[]; readonly scripts: string[] };

/** With both secrets there; notes with which of them each job was submitted, `chat.r0.a1: sk-…, hf_…`. */
function scene(options: ScenarioOptions = {}): Scenario & Told {
  const submitted: string[] = [];
  const scripts: string[] = [];
  const tamper = (deps: Deps): Deps => ({
    ...deps,
    slurm: {
      ...deps.slurm,
      submit(submission) {
        const short = submission.name.replace('vllm.default.', '');
        const its = Object.entries(scenario.secretFiles.held()).filter(([file]) =>
          file.startsWith(`${submission.name}.`),
        );
        submitted.push(`${short}: ${its.map(([, value]) => value).join(', ')}`);
        scripts.push(submission.script);
        return deps.slurm.submit(submission);
      },
    },
  });
  const scenario: Scenario = createScenario({ ...options, tamper });
  scenario.secret('KEY', KEY);
  scenario.secret('TOKEN', TOKEN);
  return { ...scenario, submitted, scripts };
}

test('a job is submitted when its secrets lie where it reads them, and they go with the deployment', async () => {
  const scenario = scene();
  scenario.apply('chat', SPEC);
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  assert.deepEqual(scenario.submitted, [`chat.r0.a1: ${KEY}, ${TOKEN}`]);
  scenario.remove('chat');
  await scenario.until('it is gone', () => scenario.resource('chat') === undefined);
  assert.deepEqual(scenario.secretFiles.held(), {});
});

test('without its secret a deployment says which field it is and waits, writing nothing, until it is there', async () => {
  const scenario = scene();
  scenario.secret('KEY', undefined);
  scenario.apply('chat', SPEC);
  scenario.start();
  await scenario.until('it is stalled', () => scenario.condition('chat', 'Stalled') !== undefined);
  const writes = scenario.writes();
  await scenario.advance(3_600_000);
  const { reason, message } = scenario.condition('chat', 'Stalled') ?? {};
  assert.deepEqual([reason, scenario.submitted, scenario.writes() - writes], ['SecretMissing', [], 0]);
  assert.match(message ?? '', /spec\.endpoint\.apiKeyFrom: there is no KEY$/);
  scenario.secret('KEY', KEY);
  await scenario.until('it is ready', () => scenario.isReady('chat'), 120_000);
  assert.equal(scenario.condition('chat', 'Stalled'), undefined);
});

test('a new value is for new attempts: what runs keeps the key it was started with, and is not replaced for it', async () => {
  const scenario = scene();
  scenario.apply('chat', { ...SPEC, replicas: 2 });
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  scenario.secret('KEY', 'sk-canary-key-2');
  await scenario.advance(600_000);
  assert.deepEqual(scenario.submitted.length, 2);
  scenario.cluster.control.preempt(scenario.jobs('chat')[0]?.job.serial ?? -1);
  await scenario.until('the second attempt serves', () => scenario.submitted.length === 3 && scenario.isReady('chat'));
  await scenario.advance(600_000);
  const keys = Object.entries(scenario.secretFiles.held()).filter(([file]) => file.endsWith('api-key'));
  assert.deepEqual(
    keys.map(([file, key]) => [file.split('.').slice(3, 5).join('.'), key]),
    [
      ['r0.a2', 'sk-canary-key-2'],
      ['r1.a1', KEY],
    ],
  );
});

test('an edit that names a secret nobody has leaves what serves as it is', async () => {
  const scenario = scene();
  scenario.apply('chat', deployment());
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  scenario.edit('chat', { endpoint: { apiKeyFrom: { env: 'NOBODYS' } } });
  await scenario.advance(600_000);
  const ready = scenario.condition('chat', 'Ready');
  assert.deepEqual(
    [scenario.jobs('chat').map(({ job }) => job.phase), scenario.resource('chat')?.status.readyReplicas, ready?.reason],
    [['running'], 1, 'SecretMissing'],
  );
  scenario.edit('chat', { endpoint: { apiKeyFrom: { env: 'KEY' } } });
  await scenario.until('the edit serves', () => scenario.isReady('chat'));
  assert.deepEqual(scenario.submitted.at(-1), `chat.r0.a2: ${KEY}`);
});

test('no secret stands in a script, the status or an event', async () => {
  const scenario = scene();
  scenario.apply('chat', SPEC);
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  scenario.secret('TOKEN', undefined);
  scenario.cluster.control.preempt(scenario.jobs('chat')[0]?.job.serial ?? -1);
  await scenario.until('it is stalled', () => scenario.condition('chat', 'Stalled') !== undefined);
  const seen = JSON.stringify([
    scenario.scripts,
    scenario.resource('chat'),
    scenario.events('chat'),
    scenario.history(),
  ]);
  assert.deepEqual(
    [KEY, TOKEN].filter((secret) => seen.includes(secret)),
    [],
  );
  assert.equal(scenario.scripts.length, 1);
});

describe('an operator killed at any of its calls leaves no job without its secret, and no secret behind', () => {
  diesAtEachCall(survives);
});

/** @returns whether a life has so many calls at all */
async function survives(point: number, when: Moment): Promise<boolean> {
  const scenario = scene();
  scenario.start();
  const { died, reach } = killedAt(scenario, point, when);
  scenario.apply('chat', SPEC);
  await reach('it is ready', () => scenario.isReady('chat'));
  scenario.remove('chat');
  await reach('it is gone, and its secrets', () => scenario.resource('chat') === undefined);
  // A crash between the two leaves it to the sweep.
  await scenario.until('no secret is left', () => Object.keys(scenario.secretFiles.held()).length === 0, 180_000);
  assert.deepEqual([...new Set(scenario.submitted)], [`chat.r0.a1: ${KEY}, ${TOKEN}`], scenario.history());
  return died();
}
