import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FINALIZER } from '../../src/api/resource.ts';
import { act } from '../../src/controller/act.ts';
import type { Action } from '../../src/decide/plan.ts';
import { err, ok } from '../../src/result.ts';
import type { SlurmError } from '../../src/slurm/slurm.ts';
import { KEY, NOW } from '../gen/observation.ts';
import { fakeSlurm, ground, unpaced } from './ground.ts';

const claim: Action = { kind: 'claim', status: { phase: 'Pending' } };
const cancel = (id: string): Action => ({
  kind: 'cancel',
  job: { id, name: `job-${id}`, user: 'alice', submitMs: NOW },
  why: 'test',
});
const submit = (replica: number, notAfterMs = NOW + 30_000): Extract<Action, { kind: 'submit' }> => ({
  kind: 'submit',
  replica,
  attempt: 1,
  name: `job-r${replica}`,
  script: '#!/bin/bash',
  secrets: [],
  notAfterMs,
});
const withKey = (replica: number): Action => ({
  ...submit(replica),
  secrets: [
    { kind: 'api-key', field: 'spec.endpoint.apiKeyFrom', source: { env: 'KEY' }, file: `r${replica}.api-key` },
  ],
});
const UNREACHABLE: SlurmError = { kind: 'unreachable', message: 'connect failure' };

/** Carries the actions out on a resource that is there, and tells each outcome in a word or in the error's. */
async function carryOut(actions: readonly Action[], about: Parameters<typeof fakeSlurm>[0] = {}, slurmCalls = 1) {
  const slurm = fakeSlurm(about);
  const deps = ground({ slurm });
  deps.store.apply(KEY, { model: { uri: 'hf://org/model' } });
  const got = await deps.store.get(KEY);
  const seen = got.ok ? got.value : undefined;
  if (!seen) throw new Error('the resource is there');
  return {
    ...deps,
    seen,
    calls: slurm.calls,
    async run() {
      const { outcomes, resource } = await act(seen, actions, deps, unpaced(slurmCalls));
      const told = outcomes.map(({ action, result }) => [action.kind, result.ok ? 'done' : result.error.message]);
      return { told, resource };
    },
  };
}

describe('actions', () => {
  it('are carried out in this order: claim, cancels, submissions', async () => {
    const { run, calls, store } = await carryOut([claim, cancel('7'), submit(0), cancel('8')]);
    const { told, resource } = await run();
    assert.deepEqual(calls, ['cancel 7', 'cancel 8', 'submit job-r0']);
    assert.deepEqual(told, [
      ['claim', 'done'],
      ['cancel', 'done'],
      ['cancel', 'done'],
      ['submit', 'done'],
    ]);
    assert.deepEqual([resource?.status, store.writes()], [{ phase: 'Pending' }, 1]);
  });

  it('are not done when the claim before them could not be written', async () => {
    const { run, calls, store } = await carryOut([claim, cancel('7'), submit(0)]);
    store.failNext('writeStatus', 'conflict');
    assert.deepEqual((await run()).told, [['claim', 'default/chat was written by somebody else']]);
    assert.deepEqual(calls, []);
  });

  it('are not done when the claim took effect and only its answer was lost', async () => {
    const { run, calls, store } = await carryOut([claim, submit(0)]);
    store.failNext('writeStatus', 'lost');
    assert.deepEqual((await run()).told, [['claim', 'the answer of the store was lost']]);
    assert.deepEqual(calls, []);
  });

  it('that came too late for their claim are not begun', async () => {
    const { run, calls } = await carryOut([claim, submit(0, NOW - 1)]);
    assert.deepEqual((await run()).told, [
      ['claim', 'done'],
      ['submit', 'it waited too long for its turn, so it was not begun'],
    ]);
    assert.deepEqual(calls, []);
  });

  it('that need secrets are submitted when these lie where the job reads them, and not at all when they cannot', async () => {
    const { run, calls, secretFiles, secrets } = await carryOut([withKey(0)]);
    assert.deepEqual((await run()).told, [['submit', 'done']]);
    const read = await secrets.read('default', { env: 'KEY' });
    assert.deepEqual([calls, secretFiles.held()], [['submit job-r0'], { 'r0.api-key': read.ok && read.value }]);

    const failing = await carryOut([withKey(0), submit(1)]);
    failing.secretFiles.write = async () => err('the disk is full');
    assert.deepEqual((await failing.run()).told, [
      ['submit', 'spec.endpoint.apiKeyFrom cannot be placed: the disk is full'],
      ['submit', 'done'],
    ]);
    assert.deepEqual(failing.calls, ['submit job-r1']);
  });

  it('behind one that did not reach Slurm are not begun', async () => {
    const { run, calls } = await carryOut([claim, cancel('7'), cancel('8'), submit(0)], {
      cancel: async () => err(UNREACHABLE),
    });
    assert.deepEqual((await run()).told, [
      ['claim', 'done'],
      ['cancel', 'connect failure'],
      ['cancel', 'SLURM did not answer the call before, so it was not begun'],
      ['submit', 'SLURM did not answer the call before, so it was not begun'],
    ]);
    assert.deepEqual(calls, ['cancel 7']);
  });

  it('go on after one that was refused or of unknown fate', async () => {
    const { run, calls } = await carryOut([claim, cancel('7'), submit(0), submit(1), submit(2)], {
      cancel: async () => err({ kind: 'unknown', message: 'timed out' }),
      submit: async ({ name }) =>
        name === 'job-r1' ? ok('104') : err({ kind: 'rejected', message: 'no such account' }),
    });
    assert.deepEqual((await run()).told, [
      ['claim', 'done'],
      ['cancel', 'timed out'],
      ['submit', 'no such account'],
      ['submit', 'done'],
      ['submit', 'no such account'],
    ]);
    assert.deepEqual(calls, ['cancel 7', 'submit job-r0', 'submit job-r1', 'submit job-r2']);
  });

  it('add the finalizer, and give the resource as it is then', async () => {
    const { run } = await carryOut([{ kind: 'addFinalizer' }]);
    const { told, resource } = await run();
    assert.deepEqual([told, resource?.finalizers], [[['addFinalizer', 'done']], [FINALIZER]]);
  });

  it('release the finalizer, after which there is no resource', async () => {
    const { store, seen, clock, ...rest } = await carryOut([]);
    await store.addFinalizer(seen);
    store.remove(KEY);
    const got = await store.get(KEY);
    const deleting = got.ok && got.value ? got.value : seen;
    const deps = { ...rest, store, clock };
    const { outcomes, resource } = await act(deleting, [{ kind: 'releaseFinalizer' }], deps, unpaced(1));
    assert.deepEqual(
      [outcomes, resource],
      [[{ action: { kind: 'releaseFinalizer' }, result: ok(undefined) }], undefined],
    );
    assert.deepEqual(await store.get(KEY), ok(undefined));
  });
});
