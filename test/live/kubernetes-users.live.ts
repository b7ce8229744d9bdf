import assert from 'node:assert/strict';
import { appendFile, chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type KubeBed, startKubeBed } from './kube-bed/bed.ts';
import { type Person, personAt } from './kube-bed/deployments.ts';
import { installOperator, operatorToken } from './kube-bed/install.ts';
import { type KubeOperator, startKubeOperator } from './kube-bed/operator.ts';
import { whyNoPrograms } from './kube-bed/programs.ts';
import { isLive, queue } from './operator/queue.ts';
import { until } from './operator/until.ts';
import { type Bed, startBed, whyNoBed } from './slurm-bed/bed.ts';

/** An ordinary user of the cluster; `nobody` and `games` are those of namespaces. */
const OWN = 'mail';

/** Namespaces that are users of their own to a real SLURM, by tokens in Secrets of a real API server. */
describe('namespaces as SLURM users of their own', { skip: whyNoPrograms() ?? whyNoBed() ?? false }, () => {
  let kube: KubeBed;
  let slurm: Bed;
  let operator: KubeOperator;
  let kubeconfig: string;
  let settings: Readonly<Record<string, string>>;
  const tokens: string[] = [];

  before(async () => {
    [kube, slurm] = await Promise.all([startKubeBed(), startBed({ rest: true, accounting: true })]);
    await installOperator(kube);
    await slurm.run('sacctmgr', '--immediate', '--quiet', 'add', 'user', OWN, 'Account=ml', 'DefaultAccount=ml');
    const [tokenFile, logs] = [join(slurm.directory, 'token'), join(slurm.directory, 'logs')];
    await writeFile(tokenFile, await tokenOf(OWN), { mode: 0o600 });
    // Whoever the jobs are of, they write their logs here.
    await mkdir(logs);
    await chmod(logs, 0o1777);
    kubeconfig = await kube.kubeconfig('operator.kubeconfig', { token: await operatorToken(kube), port: kube.port });
    settings = {
      logDirectory: logs,
      'cluster.type': 'rest',
      'cluster.rest.url': slurm.restUrl,
      'cluster.rest.tokenFile': tokenFile,
      'cluster.rest.namespaceCredentials.secretName': 'slurm-credentials',
    };
    operator = await startKubeOperator(kube, kubeconfig, { settings });
  });
  after(async () => {
    await operator?.stop();
    await Promise.all([kube?.stop(), slurm?.stop()]);
  });

  async function tokenOf(user: string): Promise<string> {
    const token = await slurm.token(user, 3600);
    tokens.push(token);
    return token;
  }

  async function give(namespace: string, user: string): Promise<void> {
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'slurm-credentials', namespace },
      stringData: { token: await tokenOf(user) },
    };
    await kube.kubectlWith(JSON.stringify(secret), 'apply', '-f', '-');
  }

  async function settle(namespace: string, user?: string): Promise<Person> {
    await kube.kubectl('create', 'namespace', namespace);
    if (user !== undefined) await give(namespace, user);
    return personAt(kube, namespace);
  }

  /** Live jobs of the namespace as `squeue` tells them, `r0.a1 nobody`. */
  async function jobsOf(namespace: string): Promise<readonly string[]> {
    const jobs = (await queue(slurm)).filter((job) => isLive(job) && job.name.startsWith(`vllm.${namespace}.`));
    return jobs.map(({ name, user }) => `${name.split('.').slice(3).join('.')} ${user}`).sort();
  }

  const ready = (namespace: string) =>
    kube.kubectl('wait', 'vllmd/chat', '-n', namespace, '--for=condition=Ready', '--timeout=120s');
  const remove = (namespace: string, ...how: readonly string[]) =>
    kube.kubectl('delete', 'vllmd', 'chat', '-n', namespace, ...how);
  const says = (person: Person, type: string, words: RegExp, status = 'True') =>
    person.shows('chat', ({ conditions }) =>
      Boolean(conditions?.some((one) => one.type === type && one.status === status && words.test(one.message))),
    );

  test('each namespace’s jobs are its own user’s, and what is deleted leaves none of either', async () => {
    const [a, b] = [await settle('team-a', 'nobody'), await settle('team-b', 'games')];
    await Promise.all([a.apply('chat'), b.apply('chat')]);
    await Promise.all([ready('team-a'), ready('team-b')]);
    assert.deepEqual([await jobsOf('team-a'), await jobsOf('team-b')], [['r0.a1 nobody'], ['r0.a1 games']]);
    const [one, other] = [await a.get('chat'), await b.get('chat')];
    assert.deepEqual([one?.status?.users, other?.status?.users], [['nobody'], ['games']]);
    await Promise.all([remove('team-a', '--timeout=60s'), remove('team-b', '--timeout=60s')]);
    assert.deepEqual([await jobsOf('team-a'), await jobsOf('team-b')], [[], []]);
  });

  test('a job that fails is judged and replaced as any other', async () => {
    const person = await settle('team-fails', 'nobody');
    await person.apply('chat');
    await ready('team-fails');
    const [job] = (await queue(slurm)).filter((one) => isLive(one) && one.name.startsWith('vllm.team-fails.'));
    await slurm.run('scancel', '--batch', '--signal=KILL', job?.id ?? '');
    await person.shows('chat', ({ readyReplicas, restarts }) => readyReplicas === 1 && restarts === 1);
    assert.deepEqual(await jobsOf('team-fails'), ['r0.a2 nobody']);
    await remove('team-fails', '--timeout=60s');
  });

  test('a Secret that is missing, or of root, is told with what to do; nothing is submitted until it is of use', async () => {
    const person = await settle('team-c');
    await person.apply('chat');
    await says(
      person,
      'Stalled',
      /there is no Secret team-c\/slurm-credentials; its key token is to hold what `scontrol/,
    );
    await give('team-c', 'root');
    await says(person, 'Stalled', /root's, who could end everybody's jobs/);
    assert.deepEqual(await jobsOf('team-c'), []);
    await give('team-c', 'nobody');
    await ready('team-c');
    assert.deepEqual(await jobsOf('team-c'), ['r0.a1 nobody']);
  });

  test('a token of another user is for what comes: what runs is the former’s, runs on, and is ended in the end', async () => {
    await give('team-c', 'games');
    const person = personAt(kube, 'team-c');
    await says(person, 'SlurmReachable', /it has jobs of nobody, as whom its namespace is not known now/);
    await kube.kubectl('scale', 'vllmd/chat', '-n', 'team-c', '--replicas=2');
    const { users } = await person.shows('chat', ({ readyReplicas }) => readyReplicas === 2);
    assert.deepEqual(
      [await jobsOf('team-c'), users],
      [
        ['r0.a1 nobody', 'r1.a1 games'],
        ['games', 'nobody'],
      ],
    );
    await remove('team-c', '--timeout=60s');
    assert.deepEqual(await jobsOf('team-c'), []);
  });

  test('a job of a stranger under the same name and marker is neither counted nor touched', async () => {
    const person = await settle('team-d', 'nobody');
    await person.apply('chat');
    await ready('team-d');
    const [job] = (await queue(slurm)).filter(({ name }) => name.startsWith('vllm.team-d.'));
    assert.ok(job);
    const { name, comment } = job;
    const forged = await slurm.run(
      ...['setpriv', '--reuid=games', '--regid=games', '--clear-groups', 'sbatch', '--parsable', '--output=/dev/null'],
      ...[`--job-name=${name.replace('.a1', '.a7')}`, `--comment=${comment}`, '--wrap=exec sleep 600'],
    );
    await kube.kubectl('scale', 'vllmd/chat', '-n', 'team-d', '--replicas=2');
    await person.shows('chat', ({ readyReplicas }) => readyReplicas === 2);
    await remove('team-d', '--timeout=60s');
    assert.deepEqual(await jobsOf('team-d'), ['r0.a7 games']);
    await until('the sweep tells of it', () => operator.log().includes('anybody may have named it so') || undefined);
    assert.deepEqual(await jobsOf('team-d'), ['r0.a7 games']);
    await slurm.run('scancel', forged);
  });

  test('a namespace that goes with its Secret is left without jobs', async () => {
    const person = await settle('team-e', 'games');
    await person.apply('chat');
    await ready('team-e');
    // There is no controller here that would: the Secret goes before the deployment.
    await kube.kubectl('delete', 'secret', 'slurm-credentials', '-n', 'team-e');
    await remove('team-e', '--timeout=60s');
    assert.deepEqual(await jobsOf('team-e'), []);
  });

  test('no token is in a log of the operator’s, or in an object of a deployment', async () => {
    const objects = await kube.kubectl('get', 'vllmd,events', '-A', '-o', 'json');
    const page = await operator.page('/metrics');
    assert.match(
      page.text,
      /vllm_slurm_namespace_credentials_end_timestamp_seconds\{cluster="rest",namespace="team-a"\} \d/,
    );
    for (const token of tokens) assert.ok(![objects, operator.log(), page.text].join().includes(token));
  });

  test('jobs whose token nobody remembers are ended as a coordinator of their account, and that is said before', async () => {
    const person = await settle('team-f', 'games');
    await person.apply('chat');
    await ready('team-f');
    await kube.kubectl('delete', 'secret', 'slurm-credentials', '-n', 'team-f');
    await operator.stop();
    operator = await startKubeOperator(kube, kubeconfig, { settings });
    await says(person, 'SlurmReachable', /it has jobs of games, .* to end them SLURM must let mail, as a coordinator/);
    await remove('team-f', '--wait=false');
    await says(person, 'SlurmReachable', /to end them SLURM must let mail, as a coordinator/);
    await until('a cancel was refused', () => /cancel failed/.test(operator.log()) || undefined);
    assert.deepEqual(await jobsOf('team-f'), ['r0.a1 games']);
    await slurm.run('sacctmgr', '--immediate', '--quiet', 'add', 'coordinator', 'Account=ml', `Names=${OWN}`);
    await until('it is gone', async () => (await person.get('chat')) === undefined || undefined);
    assert.deepEqual(await jobsOf('team-f'), []);
    await slurm.run('sacctmgr', '--immediate', '--quiet', 'delete', 'coordinator', 'Account=ml', `Names=${OWN}`);
  });

  test('jobs that SLURM hides from the operator’s user are doubled by nobody: it holds until it is shown them', async () => {
    const config = join(slurm.directory, 'etc/slurm.conf');
    const before = await readFile(config, 'utf8');
    const person = await settle('team-g', 'nobody');
    await person.apply('chat', { replicas: 2 });
    await person.shows('chat', ({ readyReplicas }) => readyReplicas === 2);
    const jobs = ['r0.a1 nobody', 'r1.a1 nobody'];
    await appendFile(config, 'PrivateData=jobs\n');
    await slurm.run('scontrol', 'reconfigure');
    await says(
      person,
      'SlurmReachable',
      /job \d+ of nobody is not shown to mail, .* PrivateData in slurm\.conf/,
      'False',
    );
    const fresh = await settle('team-h', 'games');
    await fresh.apply('chat');
    await says(fresh, 'SlurmReachable', /of games is not shown to mail/, 'False');
    await remove('team-h', '--wait=false');
    // As long as a lost job would take to be replaced, and more.
    await delay(30_000);
    assert.deepEqual([await jobsOf('team-g'), await jobsOf('team-h')], [jobs, ['r0.a1 games']]);
    await slurm.run('sacctmgr', '--immediate', '--quiet', 'add', 'coordinator', 'Account=ml', `Names=${OWN}`);
    await says(person, 'SlurmReachable', /^SLURM answers/);
    await until('what was deleted is gone', async () => (await fresh.get('chat')) === undefined || undefined);
    assert.deepEqual([await jobsOf('team-g'), await jobsOf('team-h')], [jobs, []]);
    await writeFile(config, before);
    await slurm.run('scontrol', 'reconfigure');
    await remove('team-g', '--timeout=60s');
    assert.deepEqual(await jobsOf('team-g'), []);
  });
});
