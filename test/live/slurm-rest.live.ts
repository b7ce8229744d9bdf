import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { type Job, refOf } from '../../src/slurm/job.ts';
import { createSlurmRest } from '../../src/slurm/rest/rest.ts';
import { createTokenFile } from '../../src/slurm/rest/token.ts';
import type { Slurm } from '../../src/slurm/slurm.ts';
import { until } from './operator/until.ts';
import { BED_VERSIONS, type Bed, startBed, whyNoBed, whyNoVersion } from './slurm-bed/bed.ts';

/** Whose jobs they are: a token of root's is refused. */
const USER = 'nobody';

/** A field the API ignores, or takes for something else, shows nowhere but in the job itself. */
describe('what a script asks for by slurmrestd', { skip: whyNoBed() ?? false }, () => {
  let bed: Bed;
  let slurm: Slurm;
  before(async () => {
    bed = await startBed({ rest: true, accounting: true });
    const file = `${bed.directory}/run/token`;
    await writeFile(file, await bed.token(USER, 3600), { mode: 0o600 });
    const token = createTokenFile({ file, clock: systemClock, privileged: false });
    slurm = createSlurmRest({ cluster: 'bed', clock: systemClock, server: { url: bed.restUrl }, token: token.read });
  });
  after(async () => {
    await slurm?.close();
    await bed?.stop();
  });

  /** Asked by sbatch, too: the two shall not differ. */
  const ASKED = [
    '--comment="vso1 uid=contract"',
    '--output=/tmp/%%x-%j.log',
    '--open-mode=append',
    '--export=NONE',
    '--no-requeue',
    '--dependency=singleton',
    '--nodes=1',
    '--ntasks-per-node=1',
    '--gres=gpu:2',
    '--cpus-per-task=3',
    '--mem=2G',
    '--partition=gpu',
    '--account=ml',
    '--qos=normal',
    '--time=1:00:30',
    '--signal=B:USR1@120',
    '--nodelist=node003',
    '--exclude=node001,node002',
    '--exclusive',
    '--nice=7',
  ];
  const FIELDS =
    /\b(Requeue|TimeLimit|Partition|Account|QOS|NumNodes|NumCPUs|NumTasks|CPUs\/Task|MinMemoryNode|ReqNodeList|ExcNodeList|OverSubscribe|TresPerNode|Comment|Nice|UserId)=(\S*)/g;

  async function describedBySlurm(id: string): Promise<Readonly<Record<string, string>>> {
    const text = await bed.run('scontrol', '--oneliner', 'show', 'job', id);
    // While it waits, least and most are both told.
    const counted = text.replace(/NumNodes=(\d+)-\1\b/, 'NumNodes=$1');
    return Object.fromEntries(Array.from(counted.matchAll(FIELDS), ([, name, value]) => [name, value]));
  }

  test('is what the job has, as if sbatch had been given the script', async () => {
    const script = (name: string) =>
      ['#!/bin/bash', `#SBATCH --job-name=${name}`, ...ASKED.map((line) => `#SBATCH ${line}`), 'sleep 60', ''].join(
        '\n',
      );
    const name = 'vllm.contract.asked.r0.a1';
    const submitted = await slurm.submit({ name, script: script(name) });
    assert.ok(submitted.ok, JSON.stringify(submitted));
    const file = `${bed.directory}/run/asked.sh`;
    await writeFile(file, script('vllm.contract.asked.r0.a2'), { mode: 0o755 });
    const id = await bed.asUser('sbatch', '--parsable', file);
    const [byRest, bySbatch] = [await describedBySlurm(submitted.value), await describedBySlurm(id)];
    assert.equal(byRest.Requeue, '0');
    assert.deepEqual(byRest, bySbatch);
    await bed.run('scancel', submitted.value, id);
  });

  test('may be asked on a socket without a token, by whose own slurmrestd it is', async () => {
    const server = { url: 'http://localhost', socketPath: bed.restSocket };
    const onSocket = createSlurmRest({ cluster: 'bed', clock: systemClock, server, user: USER });
    const name = 'vllm.contract.socket.r0.a1';
    const submitted = await onSocket.submit({
      name,
      script: `#!/bin/bash\n#SBATCH --output=/dev/null\nexec sleep 60\n`,
    });
    assert.ok(submitted.ok, JSON.stringify(submitted));
    const listed = await Promise.all([onSocket.listJobs(), slurm.listJobs()]);
    const found = listed.map((one) => one.ok && one.value.jobs.find(({ id }) => id === submitted.value));
    assert.deepEqual(
      found.map((job) => job && [job.name, job.user]),
      [
        [name, USER],
        [name, USER],
      ],
    );
    assert.deepEqual(await onSocket.cancel(refOf(found[0] as Job)), { ok: true, value: undefined });
    await onSocket.close();
  });

  test('and in which nothing was understood is refused, not in doubt', async () => {
    const name = 'vllm.contract.odd.r0.a1';
    const lines = [`--job-name=${name}`, '--dependency=whenever'].map((line) => `#SBATCH ${line}`);
    const refused = await slurm.submit({ name, script: ['#!/bin/bash', ...lines, 'exit 0', ''].join('\n') });
    assert.ok(!refused.ok);
    assert.deepEqual([refused.error.kind, await bed.run('squeue', '--noheader', `--name=${name}`)], ['rejected', '']);
  });
});

/** A listing by one user, submissions and cancels by others: what SLURM shows and lets each do. */
for (const version of BED_VERSIONS)
  describe(`slurmrestd of ${version}, asked as several users`, { skip: whyNoBed() ?? false }, () => {
    const OWN = 'mail';
    let bed: Bed;
    let slurm: Slurm;
    let why: string | undefined;
    before(async () => {
      why = await whyNoVersion(version);
      if (why !== undefined) return;
      bed = await startBed({ version, rest: true, accounting: true });
      await bed.run(
        'sacctmgr',
        '--immediate',
        '--quiet',
        'add',
        'user',
        `${OWN},news`,
        'Account=ml',
        'DefaultAccount=ml',
      );
      const token = { user: OWN, value: await bed.token(OWN, 3600) };
      slurm = createSlurmRest({
        cluster: 'bed',
        clock: systemClock,
        server: { url: bed.restUrl },
        token: async () => ({ ok: true, value: token }),
        severalUsers: true,
      });
    });
    after(async () => {
      await slurm?.close();
      await bed?.stop();
    });

    test('jobs are who they are submitted as; others end them as coordinators, and are shown them as such', async (t) => {
      if (why !== undefined) return t.skip(why);
      const as = async (user: string) => ({ user, token: await bed.token(user, 3600) });
      // Later versions want nothing to do with `nobody`.
      const [news, games] = [await as('news'), await as('games')];
      const name = 'vllm.contract.shared.r0.a1';
      const script = ['#!/bin/bash', `#SBATCH --job-name=${name} --output=/dev/null`, 'exec sleep 600', ''].join('\n');
      const usersIn = async (listed?: ReturnType<Slurm['listJobs']>) => {
        const listing = await listed;
        assert.ok(listing?.ok, JSON.stringify(listing));
        return listing.value.jobs.flatMap((job) => (job.phase === 'ended' ? [] : [job.user])).sort();
      };
      assert.deepEqual(await usersIn(slurm.listJobs()), [], 'an empty queue is known to be empty');
      const ids = [];
      for (const credentials of [news, games]) {
        const submitted = await slurm.submit({ name, script, as: credentials });
        assert.ok(submitted.ok, JSON.stringify(submitted));
        ids.push(submitted.value);
      }
      assert.deepEqual(await usersIn(slurm.listJobs()), ['games', 'news']);
      const listing = await slurm.listJobs();
      assert.ok(listing.ok);
      const [first, second] = ids
        .map((id) => listing.value.jobs.find((job) => job.id === id))
        .map((job) => refOf(job as Job));
      assert.ok(first && second);

      const refused = await slurm.cancel(first);
      assert.ok(!refused.ok, 'an ordinary user ends nobody’s jobs');
      assert.deepEqual(await slurm.cancel({ ...first, user: OWN }), { ok: true, value: undefined });
      assert.deepEqual(await usersIn(slurm.listJobs()), ['games', 'news']);

      const config = `${bed.directory}/etc/slurm.conf`;
      await appendFile(config, 'PrivateData=jobs\n');
      await bed.run('scontrol', 'reconfigure');
      const shown = await until('jobs are hidden', async () => {
        const users = await usersIn(slurm.listJobs());
        return users.length < 2 ? users : undefined;
      });
      assert.deepEqual([shown, await usersIn(slurm.listJobsAs?.(games))], [[], ['games']]);

      await bed.run('sacctmgr', '--immediate', '--quiet', 'add', 'coordinator', 'Account=ml', `Names=${OWN}`);
      await until(
        'a coordinator is shown them',
        async () => (await usersIn(slurm.listJobs())).length === 2 || undefined,
      );
      assert.deepEqual(await slurm.cancel(first), { ok: true, value: undefined });
      assert.deepEqual(await slurm.cancel({ ...second, as: games }), { ok: true, value: undefined });
      await until('both have ended', async () => (await usersIn(slurm.listJobs())).length === 0 || undefined);
    });

    test('an accounting that is away knows nothing, even where that comes as an answer of 200, as 22.05 says it', async (t) => {
      if (why !== undefined) return t.skip(why);
      const past = () => slurm.history(['vllm.contract.shared.r0.a1'], systemClock.now() - 3_600_000);
      await until('accounting knows the job', async () => {
        const known = await past();
        return (known.ok && known.value.length > 0) || undefined;
      });
      await bed.stopAccounting();
      const lost = await past();
      assert.deepEqual([lost.ok, !lost.ok && lost.error.kind], [false, 'unreachable']);
      assert.ok((await slurm.listJobs()).ok, 'the queue is another matter');
      await bed.startAccounting();
      await until('accounting knows it again', async () => (await past()).ok || undefined);
    });
  });
