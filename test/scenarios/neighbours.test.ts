import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FORCE_RELEASE_ANNOTATION } from '../../src/api/resource.ts';
import { deployment } from '../gen/deployment.ts';
import { createScenario } from './scenario.ts';

const MINUTE = 60_000;

test('jobs that only look like ours are left alone, whatever becomes of the deployment they look like', async () => {
  const scenario = createScenario();
  const { control } = scenario.cluster;
  const marker = (owner: string, uid: string) => `vso1 uid=${uid} gen=1 hash=00 nonce=n owner=${owner}`;
  const strangers = [
    { name: 'vllm.default.chat.r0.a7' },
    { name: 'vllm.default.chat.r0.a8', comment: 'vso1 uid=' },
    { name: 'vllm.default.chat.r0.a9', comment: marker('another-operator', 'uid-1') },
    { name: 'vllm.default.chat.r1', comment: marker('memory', 'uid-1') },
    { name: 'vllm', comment: marker('memory', 'uid-1') },
    { name: 'vllm.default.chat.r0.a1', user: 'somebody', comment: marker('memory', 'uid-1') },
    { name: 'training' },
  ].map((job) => control.addForeignJob(job).serial);
  scenario.apply('chat', deployment({ replicas: 2 }));
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  scenario.edit('chat', { replicas: 1, engine: { seed: 1 } });
  await scenario.advance(5 * MINUTE);
  scenario.crashController();
  scenario.edit('chat', { suspend: true });
  await scenario.advance(5 * MINUTE);
  scenario.remove('chat');
  await scenario.advance(10 * MINUTE);
  assert.equal(scenario.resource('chat'), undefined);
  const left = scenario.cluster.inspect.jobs().filter(({ phase }) => phase === 'running');
  assert.deepEqual(
    left.map(({ serial }) => serial),
    strangers,
  );
});

test('a job whose deployment is gone is swept when two looks agree', async () => {
  const scenario = createScenario();
  scenario.apply('chat', deployment());
  scenario.start();
  await scenario.until('it is ready', () => scenario.isReady('chat'));
  scenario.slurmFault({
    fault: { kind: 'unreachable' },
    on: ['listJobs', 'cancel'],
    untilMs: scenario.now() + 5 * MINUTE,
  });
  scenario.remove('chat');
  await scenario.advance(MINUTE);
  assert.ok(scenario.resource('chat'), 'it waits for SLURM');
  scenario.apply('chat', deployment(), { [FORCE_RELEASE_ANNOTATION]: 'true' });
  await scenario.until('it is let go by force', () => scenario.resource('chat')?.uid !== 'uid-1', MINUTE);
  assert.equal(scenario.jobs('chat').length, 1, 'its job lives on');
  await scenario.until(
    'it is swept',
    () => !scenario.jobs('chat').some(({ identity }) => identity.uid === 'uid-1'),
    10 * MINUTE,
  );
  await scenario.until('the new one serves', () => scenario.isReady('chat'));
  assert.deepEqual(
    scenario.jobs('chat').map(({ identity }) => [identity.uid, identity.attempt]),
    [['uid-2', 1]],
  );
});

test('one invalid deployment harms nobody else', async () => {
  const scenario = createScenario();
  scenario.apply('broken', { model: { uri: 'ftp://nowhere' }, replicas: -1, nonsense: true });
  scenario.apply('chat', deployment());
  scenario.start();
  await scenario.until('the other is ready', () => scenario.isReady('chat'));
  assert.deepEqual(
    {
      phase: scenario.resource('broken')?.status.phase,
      ready: scenario.condition('broken', 'Ready')?.reason,
      submits: scenario.asked('submit'),
    },
    { phase: 'Invalid', ready: 'InvalidSpec', submits: ['chat.r0.a1'] },
  );
  scenario.remove('broken');
  await scenario.until('it is gone', () => scenario.resource('broken') === undefined);
});

test('deployments whose names begin alike keep to their own jobs', async () => {
  const scenario = createScenario();
  scenario.apply('chat', deployment());
  scenario.apply('chat-r0', deployment());
  scenario.start();
  await scenario.until('both are ready', () => scenario.isReady('chat') && scenario.isReady('chat-r0'));
  scenario.remove('chat');
  await scenario.until('one is gone', () => scenario.resource('chat') === undefined);
  await scenario.advance(10 * MINUTE);
  assert.ok(scenario.isReady('chat-r0'));
  assert.deepEqual(scenario.asked('cancel'), ['chat.r0.a1']);
});
