import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type KubeBed, startKubeBed } from './kube-bed/bed.ts';
import { type Person, personAt } from './kube-bed/deployments.ts';
import { installOperator, operatorToken } from './kube-bed/install.ts';
import { type KubeOperator, startKubeOperator } from './kube-bed/operator.ts';
import { whyNoPrograms } from './kube-bed/programs.ts';
import { liveJobs, type QueueWatch, watchQueue } from './operator/queue.ts';
import { until } from './operator/until.ts';
import { type Bed, startBed, whyNoBed } from './slurm-bed/bed.ts';

/** Two operators, one lease, a real SLURM: whatever becomes of the leader, no replica ever has two live jobs. */
describe('two operators of one cluster', { skip: whyNoPrograms() ?? whyNoBed() ?? false }, () => {
  let kube: KubeBed;
  let slurm: Bed;
  let person: Person;
  let watch: QueueWatch;
  let kubeconfig: string;
  const operators: KubeOperator[] = [];
  before(async () => {
    [kube, slurm] = await Promise.all([startKubeBed(), startBed({ nodes: 2 })]);
    person = personAt(kube);
    watch = watchQueue(slurm);
    await installOperator(kube);
    kubeconfig = await kube.kubeconfig('operator.kubeconfig', { token: await operatorToken(kube) });
  });
  after(async () => {
    await Promise.all(operators.map((operator) => operator.stop('SIGKILL')));
    try {
      await watch?.stop();
    } finally {
      await Promise.all([kube?.stop(), slurm?.stop()]);
    }
  });

  async function start(env: Readonly<Record<string, string>> = {}): Promise<KubeOperator> {
    const settings = { 'cluster.type': 'slurm' };
    const operator = await startKubeOperator(kube, kubeconfig, { settings, env: { ...slurm.env, ...env } });
    operators.push(operator);
    return operator;
  }
  const holder = () =>
    kube.kubectl(
      ...['get', 'lease', 'vllm-slurm-operator', '-n', 'vllm-slurm-system', '--ignore-not-found'],
      ...['-o', 'jsonpath={.spec.holderIdentity}'],
    );
  const leads = (operator: KubeOperator): Promise<true> =>
    until(operator.log, async () => {
      const { text } = await operator.page('/metrics');
      return /^leader_election_master_status\{[^}]*\} 1$/m.test(text) || undefined;
    });

  test('a leader that dies in the middle of a submission is replaced, and the job is found, not doubled', async () => {
    const first = await start({ VLLM_SLURM_FAILPOINT: 'slurm.submit:after' });
    await leads(first);
    const second = await start();
    await until(second.log, () => second.log().includes('standing by') || undefined);
    assert.equal((await second.page('/readyz')).code, 200);
    await person.apply('pair', { replicas: 2 });
    assert.equal(await first.stop('SIGKILL'), null);
    await leads(second);
    await person.shows('pair', (status) => status.readyReplicas === 2);
    assert.deepEqual(
      Object.values(watch.attempts('pair')).map((ids) => ids.length),
      [1, 1],
      JSON.stringify(watch.attempts('pair')),
    );
  });

  test('a leader that is stopped for longer than its lease comes back without an effect', async () => {
    const [second] = operators.filter((operator) => operator.log().includes('standing by'));
    assert.ok(second);
    const third = await start();
    await until(third.log, () => third.log().includes('standing by') || undefined);
    const before = await holder();
    second.signal('SIGSTOP');
    await leads(third);
    assert.notEqual(await holder(), before);
    await kube.kubectl('scale', 'vllmd/pair', '--replicas=3');
    await person.shows('pair', (status) => status.readyReplicas === 3);
    second.signal('SIGCONT');
    await until(second.log, () => second.log().includes('leadership is lost') || undefined);
    const { text } = await second.page('/metrics');
    assert.match(text, /^leader_election_master_status\{[^}]*\} 0$/m);
    assert.deepEqual(
      Object.values(watch.attempts('pair')).map((ids) => ids.length),
      [1, 1, 1],
    );
  });

  test('a leader that ends in good order hands the lease over at once', async () => {
    const [, second, third] = operators;
    assert.ok(second && third);
    assert.equal(await third.stop(), 0);
    await leads(second);
    await kube.kubectl('delete', 'vllmd', 'pair', '--timeout=90s');
    assert.deepEqual(await liveJobs(slurm, 'pair'), []);
    assert.equal(await second.stop(), 0);
    assert.equal(await holder(), '');
  });
});
