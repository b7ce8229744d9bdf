import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FORCE_RELEASE_ANNOTATION } from '../../src/api/resource.ts';
import { createRandom } from '../../src/slurm/simulated/random.ts';
import { pick } from './chance.ts';
import { createTwoClusters, NAMES, type TwoClusters } from './two-clusters.ts';

const MINUTE = 60_000;
const CALLS = ['listJobs', 'describe', 'history', 'submit', 'cancel', 'nodes'] as const;
/** It takes effect, and nobody hears of it. */
const LOST_REPLY = { fault: { kind: 'unknown', effect: 'now' }, on: ['submit'] } as const;
const on = (cluster: string) => ({ slurm: { cluster } });

function silence(
  { clusters, now }: TwoClusters,
  cluster: (typeof NAMES)[number],
  forMs = 365 * 24 * 60 * MINUTE,
): void {
  clusters[cluster].control.setFault({ fault: { kind: 'unreachable' }, on: CALLS, untilMs: now() + forMs });
}

async function served(...names: readonly (readonly [name: string, cluster: string])[]): Promise<TwoClusters> {
  const two = createTwoClusters();
  two.start();
  for (const [name, cluster] of names) two.apply(name, on(cluster));
  await two.until('all serve', () => names.every(([name]) => two.isReady(name)));
  return two;
}

describe('several clusters', () => {
  it('a deployment runs where it asks to, and on the first when it does not say', async () => {
    const two = createTwoClusters();
    two.start();
    two.apply('chat', {});
    two.apply('code', on('jura'));
    await two.until('both serve', () => two.isReady('chat') && two.isReady('code'));
    assert.deepEqual([two.jobs('alps'), two.jobs('jura')], [['chat.r0.a1 running'], ['code.r0.a1 running']]);
    assert.deepEqual(
      ['chat', 'code'].map((name) => [
        two.resource(name)?.status.cluster,
        two.resource(name)?.status.jobs?.[0]?.cluster,
      ]),
      [
        ['alps', 'alps'],
        ['jura', 'jura'],
      ],
    );
  });

  it('nothing is written, submitted or cancelled while nothing changes', async () => {
    const two = await served(['chat', 'alps'], ['code', 'jura']);
    await two.advance(MINUTE);
    const before = [two.writes(), ...NAMES.flatMap((name) => [two.asked(name, 'submit'), two.asked(name, 'cancel')])];
    await two.advance(20 * MINUTE);
    assert.deepEqual(
      [two.writes(), ...NAMES.flatMap((name) => [two.asked(name, 'submit'), two.asked(name, 'cancel')])],
      before,
    );
  });

  it('one that goes away for a minute holds its own deployments and nobody else’s', async () => {
    const two = await served(['chat', 'alps'], ['code', 'jura']);
    silence(two, 'alps', MINUTE);
    await two.advance(15_000);
    two.apply('more', on('jura'));
    two.apply('late', on('alps'));
    await two.until('the other goes on', () => two.isReady('more'), MINUTE);
    assert.equal(two.condition('chat', 'SlurmReachable')?.status, 'False');
    assert.match(two.condition('chat', 'SlurmReachable')?.message ?? '', /^cluster alps: /);
    assert.equal(two.condition('code', 'SlurmReachable')?.status, 'True');
    assert.deepEqual(two.asked('alps', 'submit'), ['chat.r0.a1']);
    await two.until('everybody serves', () => ['chat', 'code', 'more', 'late'].every(two.isReady), 5 * MINUTE);
    assert.deepEqual(
      NAMES.map((name) => two.asked(name, 'cancel')),
      [[], []],
    );
  });

  it('one that is dead from the beginning delays nobody who asks for the other, the first of the list or not', async () => {
    for (const [dead, alive] of [NAMES, [...NAMES].reverse()] as [(typeof NAMES)[number], (typeof NAMES)[number]][]) {
      const two = createTwoClusters();
      silence(two, dead);
      two.start();
      two.apply('chat', on(alive));
      await two.until('it serves', () => two.isReady('chat'), 5 * MINUTE);
      assert.deepEqual(two.jobs(alive), ['chat.r0.a1 running']);
    }
  });

  it('a deployment that is to move is ended here before it begins there, and its attempts are numbered on', async () => {
    const two = await served(['chat', 'alps']);
    two.apply('chat', { ...on('jura'), replicas: 2 });
    await two.until('it serves there', () => two.isReady('chat') && two.resource('chat')?.status.cluster === 'jura');
    assert.deepEqual([two.jobs('alps'), two.jobs('jura')], [[], ['chat.r0.a2 running', 'chat.r1.a1 running']]);
    assert.equal(two.resource('chat')?.status.restarts, 0);
  });

  it('naming the cluster a deployment is on, and no longer naming it, restarts nothing', async () => {
    const two = createTwoClusters();
    two.start();
    two.apply('chat', {});
    await two.until('it serves', () => two.isReady('chat'));
    two.apply('chat', on('alps'));
    await two.advance(MINUTE);
    two.apply('chat', {});
    await two.advance(MINUTE);
    assert.deepEqual(
      [two.isReady('chat'), two.asked('alps', 'submit'), two.asked('alps', 'cancel')],
      [true, ['chat.r0.a1'], []],
    );
  });

  it('an unknown cluster is told with the names there are, and what serves is kept', async () => {
    const two = await served(['chat', 'alps']);
    two.apply('chat', on('andes'));
    two.apply('code', on('andes'));
    await two.until('it is told', () =>
      ['chat', 'code'].every((name) => two.condition(name, 'Stalled')?.reason === 'UnknownCluster'),
    );
    assert.match(two.condition('code', 'Stalled')?.message ?? '', /there is no cluster andes; there are alps, jura$/);
    assert.deepEqual([two.jobs('alps'), two.jobs('jura')], [['chat.r0.a1 running'], []]);
    two.apply('chat', on('alps'));
    two.apply('code', on('jura'));
    await two.until('the way back works', () => two.isReady('chat') && two.isReady('code'));
    assert.deepEqual(two.asked('alps', 'submit'), ['chat.r0.a1']);
  });

  it('what serves is kept while the cluster it is to move to does not answer', async () => {
    const two = await served(['chat', 'alps']);
    silence(two, 'jura', 5 * MINUTE);
    await two.advance(MINUTE);
    two.apply('chat', on('jura'));
    await two.advance(2 * MINUTE);
    assert.deepEqual(
      [two.jobs('alps'), two.condition('chat', 'Ready')?.reason],
      [['chat.r0.a1 running'], 'ClusterUnreachable'],
    );
    await two.until('it moves then', () => two.jobs('jura').includes('chat.r0.a2 running'));
  });

  it('what is on a cluster that dies for ever is held, never begun elsewhere, and let go of by force', async () => {
    const two = await served(['chat', 'alps'], ['code', 'jura']);
    silence(two, 'alps');
    two.apply('chat', on('jura'));
    await two.advance(30 * MINUTE);
    assert.deepEqual([two.asked('jura', 'submit'), two.jobs('alps')], [['code.r0.a1'], ['chat.r0.a1 running']]);
    two.remove('chat');
    await two.advance(10 * MINUTE);
    assert.match(two.condition('chat', 'Ready')?.message ?? '', /^SLURM of cluster alps does not answer/);
    two.apply('chat', on('jura'), { [FORCE_RELEASE_ANNOTATION]: 'true' });
    await two.until('it begins anew', () => two.isReady('chat'));
    assert.deepEqual(two.jobs('jura'), ['chat.r0.a1 running', 'code.r0.a1 running']);
    two.clusters.alps.control.heal();
    await two.until('what was left there is swept when it answers after all', () => two.jobs('alps').length === 0);
  });

  it('a submission of unknown fate is settled where it was made before it moves', async () => {
    const two = createTwoClusters();
    two.clusters.alps.control.setFault(LOST_REPLY);
    two.start();
    two.apply('chat', {});
    await two.until('it is in doubt', () => two.asked('alps', 'submit').length > 0);
    two.clusters.alps.control.heal();
    two.apply('chat', on('jura'));
    await two.until('it serves there', () => two.isReady('chat'));
    assert.deepEqual(
      [two.jobs('alps'), two.asked('alps', 'submit'), two.resource('chat')?.status.cluster],
      [[], ['chat.r0.a1'], 'jura'],
    );
  });

  it('a deployment that is deleted while its cluster is silent is held until it answers, and leaves no job', async () => {
    const two = await served(['chat', 'jura']);
    silence(two, 'jura', 5 * MINUTE);
    await two.advance(30_000);
    two.remove('chat');
    await two.advance(3 * MINUTE);
    assert.equal(two.resource('chat')?.status.phase, 'Deleting');
    await two.until('it is gone', () => two.resource('chat') === undefined);
    assert.deepEqual(two.jobs('jura'), []);
  });

  it('a cluster that leaves the settings keeps its jobs: no other takes them over, and nobody ends them', async () => {
    const two = await served(['chat', 'alps'], ['code', 'jura']);
    two.start(['jura']);
    await two.advance(10 * MINUTE);
    assert.deepEqual([two.jobs('alps'), two.jobs('jura')], [['chat.r0.a1 running'], ['code.r0.a1 running']]);
    assert.match(
      two.condition('chat', 'SlurmReachable')?.message ?? '',
      /^cluster alps: .* none of the operator's \(jura\)/,
    );
    two.start();
    await two.advance(10 * MINUTE);
    assert.deepEqual(
      [two.isReady('chat'), two.isReady('code'), two.asked('alps', 'submit')],
      [true, true, ['chat.r0.a1']],
    );
  });

  it('what one cluster had before there were several is found, in whatever order they are listed', async () => {
    const two = createTwoClusters();
    two.start(['jura']);
    two.apply('chat', {});
    await two.until('it serves', () => two.isReady('chat'));
    assert.equal(two.resource('chat')?.status.cluster, undefined);
    two.start();
    await two.advance(10 * MINUTE);
    assert.deepEqual(
      [
        two.isReady('chat'),
        two.resource('chat')?.status.cluster,
        two.asked('jura', 'submit'),
        two.asked('alps', 'submit'),
      ],
      [true, 'jura', ['chat.r0.a1'], []],
    );
  });

  it('a move survives the death of the operator at every one of its calls', async () => {
    for (let point = 1; point <= 24; point++) {
      const two = await served(['chat', 'alps']);
      const operator = two.start();
      await two.advance(20_000);
      operator.killAt(point, point % 2 === 0 ? 'before' : 'after');
      two.apply('chat', on('jura'));
      await two.advance(MINUTE);
      two.start();
      await two.until(
        'it serves there',
        () => two.isReady('chat') && two.resource('chat')?.status.cluster === 'jura',
        20 * MINUTE,
      );
      assert.deepEqual([two.jobs('alps'), two.jobs('jura').length], [[], 1]);
    }
  });

  it('whatever goes wrong on either, what is asked for comes to be once it is over', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const two = createTwoClusters(seed);
      const random = createRandom(seed * 7919);
      two.start();
      for (const name of ['chat', 'code']) two.apply(name, on(pick(random, NAMES)));
      for (let round = 0; round < 12; round++) {
        const cluster = pick(random, NAMES);
        const { control } = two.clusters[cluster];
        const harm = pick(random, ['silence', 'lost', 'edit', 'kill', 'heal', 'node'] as const);
        if (harm === 'silence') silence(two, cluster, pick(random, [20_000, 90_000]));
        if (harm === 'lost') control.setFault({ ...LOST_REPLY, untilMs: two.now() + 30_000 });
        if (harm === 'edit')
          two.apply(pick(random, ['chat', 'code'] as const), {
            ...on(cluster),
            replicas: pick(random, [1, 2] as const),
          });
        if (harm === 'kill') two.start();
        if (harm === 'heal') control.heal();
        if (harm === 'node') control.failNode(pick(random, ['node001', 'node002'] as const), { forMs: 30_000 });
        await two.advance(pick(random, [5_000, 40_000, 120_000] as const));
      }
      for (const name of NAMES) two.clusters[name].control.heal();
      await two.until(`both serve (seed ${seed})`, () => ['chat', 'code'].every(two.isReady), 60 * MINUTE);
    }
  });
});
