import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRandom } from '../../src/slurm/simulated/random.ts';
import { pick } from './chance.ts';
import { createTwoClusters, NAMES, type TwoClusters } from './two-clusters.ts';

const MINUTE = 60_000;
const WAIT_SECONDS = 120;
const at = (cluster: string, partition = 'gpu') => ({ cluster, partitions: [partition], waitSeconds: WAIT_SECONDS });
const OVER_BOTH = { slurm: { places: [at('alps', 'fast'), at('alps'), at('jura')] } };

function started(): TwoClusters {
  const two = createTwoClusters();
  two.start();
  return two;
}

const placeOf = (two: TwoClusters, name = 'chat'): string => {
  const { cluster, partitions = [] } = two.resource(name)?.status.place ?? {};
  return `${cluster}/${partitions}`;
};

describe('a list of places', () => {
  it('the first is taken where it has room, and nothing moves when nothing changes', async () => {
    const two = started();
    two.apply('chat', OVER_BOTH);
    await two.until('it serves', () => two.isReady('chat'));
    await two.advance(MINUTE);
    const before = two.writes();
    await two.advance(30 * MINUTE);
    assert.deepEqual(
      [placeOf(two), two.asked('alps', 'submit'), two.jobs('jura'), two.writes() - before],
      ['alps/fast', ['chat.r0.a1'], [], 0],
    );
  });

  it('the next is tried after the wait, then the next on another cluster; there the job of before is gone', async () => {
    const two = started();
    two.fill('alps', 'fast');
    two.fill('alps', 'gpu');
    two.apply('chat', OVER_BOTH);
    await two.advance(WAIT_SECONDS * 1000 - 5_000);
    assert.deepEqual([placeOf(two), two.jobs('alps')], ['alps/fast', ['chat.r0.a1 pending']]);
    await two.until('the next partition', () => two.jobs('alps').includes('chat.r0.a2 pending'), MINUTE);
    assert.equal(placeOf(two), 'alps/gpu');
    await two.until('it serves', () => two.isReady('chat'), 5 * MINUTE);
    const { status } = two.resource('chat') ?? {};
    assert.deepEqual(
      [placeOf(two), two.jobs('alps'), two.jobs('jura'), status?.triedPlaces, status?.restarts],
      ['jura/gpu', [], ['chat.r0.a3 running'], undefined, 0],
    );
  });

  it('after the last it waits at one of them, and starts there however late', async () => {
    const two = started();
    const freed = two.fill('alps', 'fast');
    two.fill('alps', 'gpu');
    two.fill('jura', 'gpu');
    two.apply('chat', OVER_BOTH);
    await two.advance(8 * MINUTE);
    const asked = NAMES.map((name) => two.asked(name, 'submit').length);
    await two.advance(30 * MINUTE);
    assert.deepEqual(
      NAMES.map((name) => two.asked(name, 'submit').length),
      asked,
    );
    assert.deepEqual(
      [placeOf(two), two.resource('chat')?.status.triedPlaces?.map(({ why }) => why.replace(/\d+/, 'N'))],
      ['alps/fast', Array(3).fill('job N has waited 120 s (Resources)')],
    );
    freed();
    await two.until('it serves', () => two.isReady('chat'), 2 * MINUTE);
  });

  it('what serves stays where it is; when it ends the first place is tried again', async () => {
    const two = started();
    const freed = two.fill('alps', 'fast');
    two.apply('chat', { slurm: { places: [at('alps', 'fast'), at('jura')] } });
    await two.until('it serves there', () => two.isReady('chat') && two.jobs('jura').length === 1);
    freed();
    await two.advance(30 * MINUTE);
    assert.deepEqual(two.jobs('jura'), ['chat.r0.a2 running']);
    const { control, inspect } = two.clusters.jura;
    control.end(inspect.live()[0]?.serial ?? -1, {
      state: 'FAILED',
      exitCode: 1,
      signal: 0,
      reason: 'NonZeroExitCode',
      failedNodes: [],
    });
    await two.until('it serves here again', () => two.isReady('chat') && two.jobs('alps').length === 1);
    assert.deepEqual([two.jobs('alps'), two.jobs('jura')], [['chat.r0.a3 running'], []]);
    assert.deepEqual([placeOf(two), two.resource('chat')?.status.restarts], ['alps/fast', 1]);
  });

  it('what fails spends its restarts wherever it fails', async () => {
    const two = started();
    for (const name of NAMES)
      two.clusters[name].control.setBehaviour(() => ({
        port: 1,
        steps: [{ afterMs: 1_000, does: 'exit', ending: { exitCode: 1 } }],
        stopMs: 1,
      }));
    two.fill('alps', 'fast');
    two.apply('chat', {
      restartPolicy: { maxRestarts: 2, windowSeconds: 86_400 },
      slurm: { places: [at('alps', 'fast'), at('jura')] },
    });
    await two.until(
      'it is given up',
      () => two.condition('chat', 'Stalled')?.reason === 'RestartsExhausted',
      60 * MINUTE,
    );
  });

  it('a place that takes no job is left at once', async () => {
    const two = started();
    two.apply('chat', { slurm: { places: [at('alps', 'closed'), at('jura')] } });
    await two.until('it serves', () => two.isReady('chat'), MINUTE);
    assert.deepEqual([placeOf(two), two.jobs('jura')], ['jura/gpu', ['chat.r0.a2 running']]);
  });

  it('a cluster that does not answer is passed over at the beginning', async () => {
    const two = createTwoClusters();
    two.clusters.alps.control.setFault({
      fault: { kind: 'unreachable' },
      on: ['listJobs', 'submit', 'nodes'],
      untilMs: two.now() + 60 * MINUTE,
    });
    two.start();
    await two.advance(20_000);
    two.apply('chat', OVER_BOTH);
    await two.until('it serves', () => two.isReady('chat'), 5 * MINUTE);
    assert.equal(placeOf(two), 'jura/gpu');
  });

  it('a list that is changed restarts nothing whose place is still in it', async () => {
    const two = started();
    two.apply('chat', OVER_BOTH);
    await two.until('it serves', () => two.isReady('chat'));
    two.apply('chat', { slurm: { places: [at('jura'), at('alps', 'fast')] } });
    await two.advance(5 * MINUTE);
    assert.deepEqual([two.isReady('chat'), two.asked('alps', 'submit'), two.jobs('jura')], [true, ['chat.r0.a1'], []]);
    two.apply('chat', { slurm: { places: [at('jura')] } });
    await two.until('it moves', () => two.isReady('chat') && two.jobs('jura').length === 1);
    assert.deepEqual(two.jobs('alps'), []);
  });

  it('survives the death of the operator at every one of its calls', async () => {
    for (let point = 1; point <= 30; point++) {
      const two = createTwoClusters();
      two.fill('alps', 'fast');
      two.fill('alps', 'gpu');
      const operator = two.start();
      operator.killAt(point, point % 2 === 0 ? 'before' : 'after');
      two.apply('chat', OVER_BOTH);
      await two.advance(3 * MINUTE);
      two.start();
      await two.until('it serves', () => two.isReady('chat'), 20 * MINUTE);
      assert.deepEqual([placeOf(two), two.jobs('alps'), two.jobs('jura').length], ['jura/gpu', [], 1]);
    }
  });

  it('whatever goes wrong on either, it serves somewhere in the end, once', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const two = createTwoClusters(seed);
      const random = createRandom(seed * 104_729);
      two.start();
      two.apply('chat', OVER_BOTH);
      two.apply('code', { replicas: 2, slurm: { places: [at('jura', 'fast'), at('alps'), at('jura')] } });
      const freed: (() => void)[] = [];
      for (let round = 0; round < 12; round++) {
        const cluster = pick(random, NAMES);
        const { control, inspect } = two.clusters[cluster];
        const harm = pick(random, ['silence', 'lost', 'full', 'free', 'end', 'kill', 'node'] as const);
        if (harm === 'silence')
          control.setFault({
            fault: { kind: 'unreachable' },
            on: ['listJobs', 'describe', 'history', 'submit', 'cancel', 'nodes'],
            untilMs: two.now() + pick(random, [20_000, 90_000]),
          });
        if (harm === 'lost')
          control.setFault({ fault: { kind: 'unknown', effect: 'now' }, on: ['submit'], untilMs: two.now() + 30_000 });
        if (harm === 'full') freed.push(two.fill(cluster, pick(random, ['gpu', 'fast'] as const)));
        if (harm === 'free') freed.pop()?.();
        if (harm === 'end') {
          const ours = inspect.live().find(({ name, phase }) => name.startsWith('vllm.') && phase === 'running');
          if (ours)
            control.end(ours.serial, {
              state: 'NODE_FAIL',
              exitCode: 0,
              signal: 0,
              reason: 'NodeDown',
              failedNodes: [],
            });
        }
        if (harm === 'kill') two.start();
        if (harm === 'node') control.failNode(pick(random, ['node001', 'node004'] as const), { forMs: 30_000 });
        await two.advance(pick(random, [5_000, 40_000, 200_000] as const));
      }
      for (const free of freed) free();
      for (const name of NAMES) two.clusters[name].control.heal();
      await two.until(`both serve (seed ${seed})`, () => ['chat', 'code'].every(two.isReady), 60 * MINUTE);
    }
  });
});
