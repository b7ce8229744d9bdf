import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type NodeBed, startNodeBed } from './node-bed/bed.ts';
import { until } from './operator/until.ts';
import { whyNoBed } from './slurm-bed/bed.ts';

/** What stories on this bed rely on: hosts are apart, faults are what they are called, and nothing leaks out. */

describe('a bed of hosts with addresses of their own', { skip: whyNoBed() ?? false }, () => {
  let bed: NodeBed;
  before(async () => {
    bed = await startNodeBed({ nodes: 2, slurmdTimeoutSeconds: 10 });
  });
  after(() => bed.stop());

  const answers = (from: string, address: string, port = '6818'): Promise<boolean> =>
    bed.on(from, 'vllm', 'timeout', '2', 'bash', '-c', 'exec 3<>"/dev/tcp/$0/$1"', address, port).then(
      () => true,
      () => false,
    );
  const state = (node: string): Promise<string> => bed.run('sinfo', '-hN', '-pgpu', `-n${node}`, '-o%T');

  test('a job of two nodes runs as its user, on hosts with names, addresses and processes of their own', async () => {
    const script = 'ip -4 -o addr show dev eth0 | awk "{print \\$4}"; hostname; id -un; pgrep -c slurmd';
    const told = await bed.run('srun', '--nodes=2', '--label', 'bash', '-c', script);
    assert.deepEqual(told.split('\n').sort(), [
      '0: 1',
      '0: 10.77.0.11/24',
      '0: node001',
      '0: vllm',
      '1: 1',
      '1: 10.77.0.12/24',
      '1: node002',
      '1: vllm',
    ]);
  });

  test('there is no way out of it', async () => {
    assert.equal(
      await (await bed.on('node001', 'vllm', 'ip', 'route')).trim(),
      '10.77.0.0/24 dev eth0 proto kernel scope link src 10.77.0.11',
    );
  });

  test('each user keeps what is his, and both can run this checkout', async () => {
    await bed.run('bash', '-c', 'umask 077; echo word >~/secret');
    await assert.rejects(bed.on('node001', 'other', 'cat', `${bed.home}/secret`), /Permission denied/);
    assert.equal(await bed.on('node001', 'vllm', 'cat', `${bed.home}/secret`), 'word');
    const main = new URL('../../src/main.ts', import.meta.url).pathname;
    for (const user of ['vllm', 'other'] as const) {
      assert.match(await bed.on('controller', user, process.execPath, main, 'version'), /\d+\.\d+\.\d+/);
    }
  });

  test('a node whose cable is pulled is silent to all, its processes live, and it is taken back', async () => {
    await bed.run('sbatch', '--nodelist=node002', '--no-requeue', '--output=/dev/null', '--wrap=exec sleep 86401');
    await until('the job', async () => (await bed.signal('node002', 'CONT', 'sleep 86401')) > 0 || undefined);
    await bed.cutNode('node002');
    assert.deepEqual(await Promise.all([answers('node001', '10.77.0.12'), answers('node001', '10.77.0.1', '6817')]), [
      false,
      true,
    ]);
    await until('the node down', async () => /down/.test(await state('node002')) || undefined);
    assert.equal(await bed.signal('node002', 'CONT', 'sleep 86401'), 1);
    await bed.mendNode('node002');
    await until('the node back', async () => (await state('node002')) === 'idle' || undefined);
  });

  test('stopped processes stand still until they are told to go on', async () => {
    const before = (await bed.submissions()).length;
    await bed.run('sbatch', '--nodelist=node001', '--output=/dev/null', '--wrap=exec sleep 86402');
    await until('the job', async () => (await bed.signal('node001', 'STOP', 'sleep 86402')) > 0 || undefined);
    const stateOf = async () =>
      (await bed.on('node001', 'root', 'ps', '-o', 'state=', '-C', 'sleep')).split('\n').includes('T');
    assert.equal(await stateOf(), true);
    await bed.signal('node001', 'CONT', 'sleep 86402');
    assert.equal(await stateOf(), false);
    await bed.run('scancel', '--state=RUNNING');
    const [mine, ...more] = (await bed.submissions()).slice(before);
    assert.equal(more.length, 0);
    assert.ok(mine && Math.abs(mine.atMs - Date.now()) < 60_000);
  });

  for (const [how, fault] of [
    ['killed', (node: string) => bed.killNode(node)],
    ['without power', (node: string) => bed.crashNode(node)],
  ] as const) {
    test(`a node ${how} is found down, boots and is taken back, and its neighbour has noticed nothing`, async () => {
      await fault('node002');
      await until('the node down', async () => /down/.test(await state('node002')) || undefined);
      assert.equal(await state('node001'), 'idle');
      await bed.startNode('node002');
      await until('the node back', async () => (await state('node002')) === 'idle' || undefined);
      assert.equal(await answers('node001', '10.77.0.12'), true);
    });
  }
});
