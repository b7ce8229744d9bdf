import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../../src/api/resource.ts';
import type { Deps } from '../../src/controller/deps.ts';
import { fenced } from '../../src/controller/fence.ts';
import { withinNamespaces } from '../../src/controller/scope.ts';
import type { Publisher } from '../../src/publish/publisher.ts';
import { err, ok } from '../../src/result.ts';
import { pendingJob, runningJob } from '../gen/observation.ts';
import { fakeSlurm, ground } from './ground.ts';

const KEY = { namespace: 'default', name: 'web' };

/** Everything that changes something outside, once each. @returns how each went */
async function effects(
  { store, slurm, events, secretFiles, publisher }: Deps,
  seen: Resource,
): Promise<Readonly<Record<string, string>>> {
  const answers = {
    addFinalizer: await store.addFinalizer(seen),
    writeStatus: await store.writeStatus(seen, { phase: 'Running' }),
    releaseFinalizer: await store.releaseFinalizer(seen),
    submit: await slurm.submit({ name: 'vllm.default.web.r0.a1', script: '' }),
    cancel: await slurm.cancel({ id: '1', name: 'vllm.default.web.r0.a1', user: 'alice', submitMs: 0 }),
  };
  const published = await publisher?.publish(seen, {});
  const secrets = { write: await secretFiles.write('name', 'secret'), remove: await secretFiles.remove('name') };
  await events.record(seen, [{ time: '2026-01-01T00:00:00Z', type: 'Normal', reason: 'Submitted', message: '' }]);
  return Object.fromEntries([
    ...Object.entries(answers).map(([call, answer]) => [call, answer.ok ? 'done' : answer.error.kind]),
    ...(published ? [['publish', published.ok ? 'done' : published.error.kind]] : []),
    ...Object.entries(secrets).map(([call, answer]) => [call, answer.ok ? 'done' : 'refused']),
  ]);
}

async function seenOn(on: ReturnType<typeof ground>): Promise<Resource> {
  on.store.apply(KEY, { model: { uri: 'hf://org/model' } });
  const found = await on.store.get(KEY);
  assert.ok(found.ok && found.value);
  return found.value;
}

test('a controller that does not lead changes nothing, and is told in the words of each port that nothing was begun', async () => {
  const slurm = fakeSlurm();
  const on = ground({ slurm });
  const behind = fenced(on, () => false);
  assert.deepEqual(await effects(behind, await seenOn(on)), {
    addFinalizer: 'unavailable',
    writeStatus: 'unavailable',
    releaseFinalizer: 'unavailable',
    submit: 'unreachable',
    cancel: 'unreachable',
    write: 'refused',
    remove: 'refused',
  });
  assert.deepEqual([on.store.writes(), slurm.calls, on.told], [0, [], []]);
  assert.equal((await behind.store.list()).ok, true);
  assert.equal((await behind.slurm.listJobs()).ok, true);
});

test('publishing asks for leadership before each of its writes', async () => {
  const publisher: Publisher = {
    publish: async (_resource, _status, mayWrite) =>
      mayWrite?.() ? ok(undefined) : err({ kind: 'unavailable', message: 'not begun' }),
    forget: () => undefined,
  };
  const on = ground({ publisher });
  const seen = await seenOn(on);
  assert.equal(
    (
      await effects(
        fenced(on, () => true),
        seen,
      )
    ).publish,
    'done',
  );
  assert.equal(
    (
      await effects(
        fenced(on, () => false),
        seen,
      )
    ).publish,
    'unavailable',
  );
});

test('leadership is asked for right before each effect', async () => {
  const slurm = fakeSlurm();
  const on = ground({ slurm });
  let left = 1;
  const seen = await seenOn(on);
  const went = await effects(
    fenced(on, () => left-- > 0),
    seen,
  );
  assert.deepEqual([went.addFinalizer, went.writeStatus, on.store.writes()], ['done', 'unavailable', 1]);
});

test('of the jobs of a cluster’s deployments an operator sees those in its namespaces', async () => {
  const ours = runningJob();
  const theirs = { ...pendingJob(), name: ours.name.replace('.default.', '.team-b.') };
  const strangers = { ...pendingJob(), name: 'vllm.notebook', comment: '' };
  const listing = { askedAtMs: 1, jobs: [ours, theirs, strangers] };
  const slurm = fakeSlurm({ listJobs: async () => ({ ok: true, value: listing }) });
  assert.deepEqual(await withinNamespaces(slurm, ['default']).listJobs(), {
    ok: true,
    value: { ...listing, jobs: [ours, strangers] },
  });
  assert.deepEqual(await withinNamespaces(slurm, []).listJobs(), { ok: true, value: listing });
});
