import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Status } from '../../src/api/status.ts';
import { liveJobs, type QueueWatch, watchQueue } from './operator/queue.ts';
import { until } from './operator/until.ts';
import { openWorkspace, type Workspace } from './operator/workspace.ts';
import { type Bed, startBed, whyNoBed } from './slurm-bed/bed.ts';
import { type SshBed, startSshBed } from './ssh-bed/bed.ts';

/**
 * One operator on two real clusters of different versions: 22.05 by its commands behind ssh, 24.11 by slurmrestd. What
 * each shows at any look is watched: never two live jobs of one replica on either.
 */
describe('an operator of two clusters', { skip: whyNoBed() ?? false }, () => {
  let alps: Bed;
  let jura: Bed;
  let sshd: SshBed;
  let desk: Workspace;
  const watches: QueueWatch[] = [];

  before(async () => {
    [alps, jura] = await Promise.all([
      startBed({ version: '22.05', nodes: 2 }),
      startBed({ version: '24.11', nodes: 2, rest: true, accounting: true }),
    ]);
    sshd = await startSshBed({ environment: alps.env });
    watches.push(watchQueue(alps), watchQueue(jura));
    const tokenFile = join(jura.directory, 'token');
    await writeFile(tokenFile, await jura.token('root', 7200), { mode: 0o600 });
    desk = await openWorkspace(alps, {
      clusters: [
        { name: 'alps', type: 'slurm', timeoutSeconds: 12, ssh: { host: sshd.host, configFile: sshd.configFile } },
        {
          ...{ name: 'jura', type: 'rest', timeoutSeconds: 12 },
          rest: { url: jura.restUrl, tokenFile, allowPrivilegedToken: true },
        },
      ],
    });
    const operator = await desk.operate();
    // Its directory is read once every cluster is opened.
    await until(operator.log, () => existsSync(join(desk.directory, '.vllm-slurm.yaml')) || operator.exit());
    assert.equal(operator.exit(), undefined, operator.log());
  });
  after(async () => {
    await desk?.close();
    const watched = await Promise.allSettled(watches.map((watch) => watch.stop()));
    await Promise.all([sshd?.stop(), alps?.stop(), jura?.stop()]);
    for (const one of watched) if (one.status === 'rejected') throw one.reason;
  });

  const on = (cluster: string) => ({ slurm: { cluster } });
  const condition = ({ conditions }: Status, type: string) => conditions?.find((one) => one.type === type);
  const isReady = (status: Status): boolean => condition(status, 'Ready')?.status === 'True';
  const ids = async (bed: Bed, name: string): Promise<readonly string[]> =>
    (await liveJobs(bed, name)).map(({ id }) => id);

  test('a fleet comes up over both, and each model answers', async () => {
    const fleet = { plain: 'alps', first: 'alps', second: 'jura', third: 'jura' };
    await desk.write('plain');
    await desk.write('first', { ...on('alps'), replicas: 2 });
    await desk.write('second', on('jura'));
    await desk.write('third', { ...on('jura'), replicas: 2 });
    for (const [name, cluster] of Object.entries(fleet)) {
      await desk.ready(name);
      assert.equal((await desk.status(name)).cluster, cluster);
      assert.match(await desk.tell('query', name, 'Hello'), /It was asked: "Hello"/);
    }
    assert.deepEqual(
      (await Promise.all([ids(alps, 'first'), ids(jura, 'third')])).map(({ length }) => length),
      [2, 2],
    );
    const told = await desk.tell('clusters');
    assert.match(told, /^alps +slurm +yes/m);
    assert.match(told, /^jura +rest +yes/m);
  });

  for (const away of ['alps', 'jura'] as const) {
    test(`${away} goes away for a minute: what is there is held and serves on, the other works on`, async () => {
      const [gone, stays] = away === 'alps' ? (['first', 'jura'] as const) : (['second', 'alps'] as const);
      const bed = { alps, jura }[away];
      const before = await ids(bed, gone);
      if (away === 'alps') await sshd.setListening(false);
      else await bed.stopRest();
      const awayMs = Date.now();
      await desk.shows(gone, (status) => condition(status, 'SlurmReachable')?.status === 'False');
      const name = `meanwhile-${stays}`;
      await desk.write(name, on(stays));
      await desk.ready(name);
      await until('a minute', () => (Date.now() - awayMs >= 60_000 ? true : undefined));
      if (away === 'alps') await sshd.setListening(true);
      else await bed.startRest();
      await desk.shows(gone, (status) => condition(status, 'SlurmReachable')?.status === 'True' && isReady(status));
      assert.deepEqual(await ids(bed, gone), before);
    });
  }

  test('another name moves a deployment: its job is gone there before it begins here', async () => {
    await desk.write('first', { ...on('jura'), replicas: 2 });
    const { restarts } = await desk.shows('first', (status) => status.cluster === 'jura' && isReady(status));
    assert.equal(restarts, 0);
    assert.deepEqual(await ids(alps, 'first'), []);
    assert.equal((await ids(jura, 'first')).length, 2);
  });

  test('a full first place: the next partition, then the other cluster; once nothing runs, the first again', async () => {
    const full = await alps.run(
      ...['sbatch', '--parsable', '--nodes=2', '--exclusive', '--output=/dev/null', '--job-name=full'],
      '--wrap=exec sleep 86400',
    );
    const holdsAll = () => alps.run('squeue', '-h', '-t', 'R', '-o', '%A').then((said) => said.split('\n'));
    // What serves there has to go first.
    for (const name of ['plain', 'meanwhile-alps']) await desk.remove(name);
    await until('a full cluster', async () => (await holdsAll()).includes(full) || undefined);
    await desk.write('wanderer', {
      slurm: {
        places: [
          { cluster: 'alps', partitions: ['gpu'], waitSeconds: 10 },
          { cluster: 'alps', partitions: ['short'], waitSeconds: 10 },
          { cluster: 'jura', partitions: ['gpu'] },
        ],
      },
    });
    const there = await desk.shows('wanderer', isReady);
    assert.deepEqual([there.cluster, there.place], ['jura', { cluster: 'jura', partitions: ['gpu'] }]);
    assert.deepEqual([await ids(alps, 'wanderer'), (await ids(jura, 'wanderer')).length], [[], 1]);
    assert.match(
      await desk.tell('describe', 'wanderer'),
      /PlaceLeft .* cluster alps, partition gpu: job \d+ has waited 10 s/,
    );
    // It stays although there is room again, and goes back when it ends.
    await alps.run('scancel', full);
    const [job = ''] = await ids(jura, 'wanderer');
    await jura.run('scancel', '--batch', '--signal=KILL', job);
    const back = await desk.shows('wanderer', (status) => status.cluster === 'alps' && isReady(status));
    assert.deepEqual([back.place?.partitions, back.restarts], [['gpu'], 1]);
    assert.deepEqual(await ids(jura, 'wanderer'), []);
  });

  test('what is deleted leaves neither cluster a job', async () => {
    for (const name of ['first', 'second', 'third', 'meanwhile-jura', 'wanderer']) await desk.remove(name);
    await until('no job', async () => {
      const left = await Promise.all(
        [alps, jura].flatMap((bed) =>
          ['first', 'second', 'third', 'meanwhile-jura', 'wanderer'].map((name) => ids(bed, name)),
        ),
      );
      return left.flat().length === 0 || undefined;
    });
  });
});
