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

for (const [title, trouble] of [
  ['all is well', undefined],
  ['its answers are slow', { kind: 'slow' }],
  ['every third is lost', { kind: 'unknown', effect: 'none' }],
] as const) {
  test(`a whole fleet asks SLURM no more than it may, and comes up, while ${title}`, async () => {
    const limits = { turns: 8, slurmCalls: 4, slurmCallsPerSecond: 0.5, slurmBurst: 5, suspectFraction: 0.34 };
    const scenario = createScenario({ limits, cluster: { nodes: [{ name: 'node001', cpus: 640, gpus: 64 }] } });
    const names = Array.from({ length: 40 }, (_, n) => `m${n}`);
    for (const name of names) scenario.apply(name, deployment());
    if (trouble)
      scenario.slurmFault({
        fault: trouble,
        on: ['submit'],
        chance: 1 / 3,
        untilMs: scenario.now() + 2 * MINUTE,
        ...(trouble.kind === 'slow' && { answersAfterMs: 2_000 }),
      });
    scenario.start();
    await scenario.until('all are ready', () => names.every(scenario.isReady), 30 * MINUTE);
    scenario.edit('m0', { replicas: 0 });
    await scenario.until('one is gone', () => scenario.jobs('m0').length === 0, MINUTE);
    const times = scenario.cluster.inspect.calls().map(({ atMs }) => atMs);
    const most = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + MINUTE).length));
    const asked = limits.slurmBurst + limits.slurmCallsPerSecond * 60;
    assert.ok(most <= asked + 1, `${most} calls in one minute, ${asked} are allowed`);
  });
}
