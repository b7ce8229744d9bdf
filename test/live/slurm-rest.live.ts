import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { type Job, refOf } from '../../src/slurm/job.ts';
import { createSlurmRest } from '../../src/slurm/rest/rest.ts';
import { createTokenFile } from '../../src/slurm/rest/token.ts';
import type { Slurm } from '../../src/slurm/slurm.ts';
import { type Bed, startBed, whyNoBed } from './slurm-bed/bed.ts';

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
