import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createNetwork, type Network } from '../../src/controller/network.ts';
import type { ProbeMemory } from '../../src/probe/prober.ts';

const answers: ProbeMemory = { lastOkMs: 0, failures: 0, lastError: undefined };
const fails: ProbeMemory = { lastOkMs: 0, failures: 1, lastError: 'connect ETIMEDOUT' };
const PERIOD_MS = 15_000;
const named = (...memories: readonly ProbeMemory[]) =>
  new Map(memories.map((memory, index) => [`job ${index}`, memory]));

function networkAt(): { readonly network: Network; pass(ms: number): void } {
  let nowMs = 0;
  return {
    network: createNetwork({ now: () => nowMs }),
    pass(ms) {
      nowMs += ms;
    },
  };
}

describe('our network', () => {
  for (const [title, groups, suspect] of [
    ['is suspect when all of several endpoints are silent', { chat: [fails, fails] }, true],
    ['is suspect when they belong to several deployments', { chat: [fails], embed: [fails] }, true],
    ['is not when one still answers', { embed: [answers], chat: [fails, fails] }, false],
    ['is not by the word of one endpoint', { chat: [fails] }, false],
    ['is not while none has served', { chat: [] }, false],
  ] as const satisfies readonly (readonly [string, Record<string, readonly ProbeMemory[]>, boolean])[]) {
    it(title, () => {
      const { network } = networkAt();
      for (const [key, memories] of Object.entries(groups)) network.heard(key, named(...memories), PERIOD_MS);
      assert.equal(network.isSuspect(), suspect);
    });
  }

  it('stays suspect until each endpoint has had the time to be heard again', () => {
    const { network, pass } = networkAt();
    network.heard('chat', named(fails), PERIOD_MS);
    network.heard('slow', named(fails), 300_000);
    network.heard('chat', named(answers), PERIOD_MS);
    pass(300_000);
    const atLast = network.isSuspect();
    pass(1);
    assert.deepEqual([atLast, network.isSuspect()], [true, false]);
  });

  it('stays suspect when one of the silent ends: only an answer clears it', () => {
    const { network } = networkAt();
    network.heard('chat', named(fails), PERIOD_MS);
    network.heard('embed', named(fails), PERIOD_MS);
    network.heard('embed', named(), 0);
    assert.equal(network.isSuspect(), true);
  });

  it('is suspect when the last one falls silent after another that did not answer and ended', () => {
    const { network, pass } = networkAt();
    network.heard('slow', named(answers), PERIOD_MS);
    pass(1);
    network.heard('chat', named(fails), PERIOD_MS);
    network.heard('chat', named(), 0);
    network.heard('slow', named(fails), PERIOD_MS);
    assert.equal(network.isSuspect(), true);
  });

  it('is not suspect when it answered in between', () => {
    const { network, pass } = networkAt();
    network.heard('chat', named(fails), PERIOD_MS);
    network.heard('chat', named(), 0);
    pass(1);
    network.heard('slow', named({ ...answers, lastOkMs: 1 }), PERIOD_MS);
    network.heard('slow', named({ ...fails, lastOkMs: 1 }), PERIOD_MS);
    assert.equal(network.isSuspect(), false);
  });

  it('is not suspect when the last one falls silent long after that: they did not fall silent together', () => {
    const { network, pass } = networkAt();
    network.heard('chat', named(fails), PERIOD_MS);
    network.heard('slow', named(answers), PERIOD_MS);
    pass(1);
    network.heard('chat', named(), 0);
    pass(PERIOD_MS + 1);
    network.heard('slow', named(fails), PERIOD_MS);
    assert.equal(network.isSuspect(), false);
  });

  it('is no longer suspect when the silence lasts: then it is they who are down', () => {
    const { network, pass } = networkAt();
    network.heard('chat', named(fails, fails), PERIOD_MS);
    pass(899_999);
    const late = network.isSuspect();
    pass(1);
    assert.deepEqual([late, network.isSuspect()], [true, false]);
  });
});
