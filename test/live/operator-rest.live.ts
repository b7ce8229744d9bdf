import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { makeAuthority } from './kube-bed/authority.ts';
import { liveJobs } from './operator/queue.ts';
import { setStage } from './operator/stage.ts';
import { until } from './operator/until.ts';
import type { Workspace } from './operator/workspace.ts';
import { whyNoBed } from './slurm-bed/bed.ts';
import { createFront, type Front, type Trouble } from './slurm-bed/front.ts';

/** The operator with a token and an address, and nothing else of SLURM's at hand. */
describe('an operator over slurmrestd', { skip: whyNoBed() ?? false, concurrency: 3 }, () => {
  const on = setStage({ accounting: true, rest: true });
  const fronts: Front[] = [];
  after(() => Promise.all(fronts.map((front) => front.close())));

  type Place = {
    readonly desk: Workspace;
    readonly tokenFile: string;
    giveToken(lifespanSeconds: number): Promise<void>;
  };

  async function settle(url?: string, settings: Readonly<Record<string, string>> = {}): Promise<Place> {
    const tokenFile = join(await mkdtemp(join(on.bed.directory, 'token-')), 'token');
    const giveToken = async (lifespanSeconds: number) => {
      await writeFile(`${tokenFile}.new`, await on.bed.token('root', lifespanSeconds), { mode: 0o600 });
      await rename(`${tokenFile}.new`, tokenFile);
    };
    await giveToken(3600);
    const desk = await on.workspace({
      settings: {
        'cluster.type': 'rest',
        'cluster.rest.url': url ?? on.bed.restUrl,
        'cluster.rest.tokenFile': tokenFile,
        'cluster.rest.allowPrivilegedToken': 'true',
        ...settings,
      },
    });
    return { desk, tokenFile, giveToken };
  }

  async function front(tls?: Parameters<typeof createFront>[1]): Promise<Front> {
    const made = await createFront(on.bed.restUrl, tls);
    fronts.push(made);
    return made;
  }

  const reachable = (desk: Workspace, name: string, status: 'True' | 'False', words: RegExp) =>
    desk.shows(
      name,
      ({ conditions }) =>
        conditions?.some((one) => one.type === 'SlurmReachable' && one.status === status && words.test(one.message)) ===
        true,
    );

  test('a deployment comes up, answers, is scaled and goes', async () => {
    const { desk } = await settle();
    await desk.write('plain');
    await desk.operate();
    await desk.ready('plain');
    assert.match(await desk.tell('query', 'plain', 'Hello'), /It was asked: "Hello"/);
    await reachable(desk, 'plain', 'True', /^SLURM answers; this version of slurmrestd cannot warn jobs/);
    await desk.tell('scale', 'plain', '--replicas=2');
    await desk.shows('plain', ({ readyReplicas }) => readyReplicas === 2);
    const found = await desk.run('doctor');
    assert.match(found.stdout, /this version of slurmrestd cannot warn jobs before their time runs out \(--signal\)/);
    await desk.remove('plain');
    await until('no live job', async () => (await liveJobs(on.bed, 'plain')).length === 0 || undefined);
  });

  test('nodes are left out and a time limit is set, which 22.05 understands by words of its own', async () => {
    const { desk } = await settle();
    await desk.write('placed', { slurm: { exclude: ['node001', 'node002', 'node003'], time: '1:00:00' } });
    await desk.operate();
    await desk.ready('placed');
    const [job] = await liveJobs(on.bed, 'placed');
    assert.ok(job);
    const told = await on.bed.run('scontrol', '--oneliner', 'show', 'job', job.id);
    assert.deepEqual(
      ['NodeList', 'ExcNodeList', 'TimeLimit', 'Requeue'].map(
        (field) => new RegExp(` ${field}=(\\S+)`).exec(told)?.[1],
      ),
      ['node004', 'node[001-003]', '01:00:00', '0'],
    );
  });

  test('what 22.05 has no word for is refused in words, and nothing is submitted', async () => {
    const { desk } = await settle();
    await desk.write('picky', { slurm: { extraArgs: ['--contiguous'] } });
    await desk.operate();
    const { conditions } = await desk.shows('picky', (status) =>
      Boolean(status.conditions?.some(({ message }) => message.includes('slurmrestd cannot be told --contiguous'))),
    );
    assert.ok(conditions);
    assert.deepEqual(await liveJobs(on.bed, 'picky'), []);
  });

  test('a job that fails is replaced', async () => {
    const { desk } = await settle();
    await desk.write('fragile');
    await desk.operate();
    await desk.ready('fragile');
    const [job] = await liveJobs(on.bed, 'fragile');
    assert.ok(job);
    await on.bed.run('scancel', '--batch', '--signal=KILL', job.id);
    await desk.shows('fragile', ({ readyReplicas, restarts }) => readyReplicas === 1 && restarts === 1);
  });

  test('a token that ends holds everything, one that is forged changes nothing, and a new one is taken up', async () => {
    const { desk, tokenFile, giveToken } = await settle();
    await giveToken(20);
    await desk.write('rotated');
    await desk.operate();
    await desk.ready('rotated');
    const ids = async () => (await liveJobs(on.bed, 'rotated')).map(({ id }) => id);
    const before = await ids();
    await reachable(desk, 'rotated', 'True', /its token ends at .*: renew it before/);
    await reachable(desk, 'rotated', 'False', /expired at .*write a new one there/);
    await giveToken(3600);
    await reachable(desk, 'rotated', 'True', /./);
    const [head, claims] = (await readFile(tokenFile, 'utf8')).split('.');
    await writeFile(tokenFile, `${head}.${claims}.${'A'.repeat(43)}`);
    await reachable(desk, 'rotated', 'False', /./);
    await giveToken(3600);
    await reachable(desk, 'rotated', 'True', /./);
    const { readyReplicas } = await desk.status('rotated');
    assert.deepEqual([await ids(), readyReplicas], [before, 1]);
  });

  test('over TLS only the authority that was named is believed', async () => {
    const directory = await mkdtemp(join(on.bed.directory, 'tls-'));
    const { key, cert, ca, other } = await authorities(directory);
    const { url } = await front({ key, cert });
    const wrong = await settle(url, { 'cluster.rest.caFile': other });
    await wrong.desk.write('doubtful');
    await wrong.desk.operate();
    await reachable(wrong.desk, 'doubtful', 'False', /no connection to slurmrestd .*cluster\.rest\.caFile/);
    assert.deepEqual(await liveJobs(on.bed, 'doubtful'), []);
    const right = await settle(url, { 'cluster.rest.caFile': ca });
    await right.desk.write('trusted');
    await right.desk.operate();
    await right.desk.ready('trusted');
  });

  for (const trouble of ['is lost', 'breaks off', 'comes too late'] as const satisfies readonly Trouble[]) {
    test(`an answer to a submission that ${trouble}: exactly one job serves`, async () => {
      const before = await front();
      const { desk } = await settle(before.url);
      before.disturb(/^POST .*submit/, trouble, 1);
      const name = `unsure-${trouble.replaceAll(' ', '-')}`;
      await desk.write(name);
      await desk.operate();
      await desk.ready(name);
      assert.equal((await liveJobs(on.bed, name)).length, 1);
      before.disturb(/^GET .*jobs/, trouble, 2);
      await reachable(desk, name, 'False', /./);
      await reachable(desk, name, 'True', /./);
      before.disturb(/^DELETE /, trouble, 1);
      await desk.remove(name);
      await until('no live job', async () => (await liveJobs(on.bed, name)).length === 0 || undefined);
    });
  }
});

describe('an operator whose slurmrestd comes and goes', { skip: whyNoBed() ?? false }, () => {
  const on = setStage({ accounting: true, rest: true });

  test('jobs are left as they are, and go on being looked after', async () => {
    const tokenFile = join(await mkdtemp(join(on.bed.directory, 'token-')), 'token');
    await writeFile(tokenFile, await on.bed.token('root', 3600), { mode: 0o600 });
    const desk = await on.workspace({
      settings: {
        'cluster.type': 'rest',
        'cluster.rest.url': on.bed.restUrl,
        'cluster.rest.tokenFile': tokenFile,
        'cluster.rest.allowPrivilegedToken': 'true',
      },
    });
    await desk.write('steady');
    await desk.operate();
    await desk.ready('steady');
    const before = (await liveJobs(on.bed, 'steady')).map(({ id }) => id);
    const shows = (status: string) =>
      desk.shows('steady', ({ conditions, readyReplicas }) =>
        Boolean(
          readyReplicas === 1 && conditions?.some((one) => one.type === 'SlurmReachable' && one.status === status),
        ),
      );
    await on.bed.stopRest();
    await shows('False');
    await on.bed.startRest();
    await shows('True');
    await on.bed.stopController();
    await shows('False');
    await on.bed.startController();
    await shows('True');
    assert.deepEqual(
      (await liveJobs(on.bed, 'steady')).map(({ id }) => id),
      before,
    );
  });
});

/** Files and bytes of a server's certificate, the authority it is from, and another one. */
async function authorities(directory: string) {
  const [one, other] = ['one', 'other'].map((name) => join(directory, name)) as [string, string];
  await Promise.all([mkdir(one), mkdir(other)]);
  const { serverKey, serverCertificate, certificate } = await makeAuthority(one);
  return {
    key: await readFile(serverKey),
    cert: await readFile(serverCertificate),
    ca: certificate,
    other: (await makeAuthority(other)).certificate,
  };
}
