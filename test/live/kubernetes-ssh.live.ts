import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type KubeBed, startKubeBed } from './kube-bed/bed.ts';
import { type Person, personAt } from './kube-bed/deployments.ts';
import { installOperator, operatorToken } from './kube-bed/install.ts';
import { type KubeOperator, startKubeOperator } from './kube-bed/operator.ts';
import { whyNoPrograms } from './kube-bed/programs.ts';
import { liveJobs } from './operator/queue.ts';
import { until } from './operator/until.ts';
import { type Bed, startBed, whyNoBed } from './slurm-bed/bed.ts';
import { type SshBed, startSshBed } from './ssh-bed/bed.ts';
import { forced } from './ssh-bed/wire.ts';

/** The operator of a real API server, whose SLURM is behind a real sshd, by a key that opens nothing else. */
describe('the operator in Kubernetes, with SLURM behind ssh', { skip: whyNoPrograms() ?? whyNoBed() ?? false }, () => {
  let kube: KubeBed;
  let slurm: Bed;
  let sshd: SshBed;
  let person: Person;
  let operator: KubeOperator;
  before(async () => {
    [kube, slurm] = await Promise.all([startKubeBed(), startBed()]);
    person = personAt(kube);
    await installOperator(kube);
    const [logs, secrets] = ['logs', 'secrets'].map((name) => join(kube.directory, name));
    sshd = await startSshBed({
      environment: slurm.env,
      keyOptions: forced('restrict,port-forwarding', logs, secrets),
    });
    const kubeconfig = await kube.kubeconfig('operator.kubeconfig', {
      token: await operatorToken(kube),
      port: kube.port,
    });
    operator = await startKubeOperator(kube, kubeconfig, {
      settings: { 'cluster.ssh.host': sshd.host, 'cluster.ssh.configFile': sshd.configFile },
    });
  });
  after(async () => {
    await operator?.stop();
    await sshd?.stop();
    await Promise.all([kube?.stop(), slurm?.stop()]);
  });

  test('an object reaches Ready with a key from a Secret, and what is deleted leaves nothing over there', async () => {
    await kube.kubectl('create', 'secret', 'generic', 'key', '--from-literal=key=sk-of-the-endpoint');
    await person.apply('chat', { endpoint: { apiKeyFrom: { secretKeyRef: { name: 'key', key: 'key' } } } });
    await kube.kubectl('wait', 'vllmd/chat', '--for=condition=Ready', '--timeout=120s');
    assert.equal((await liveJobs(slurm, 'chat')).length, 1);
    const placed = async () => {
      const owners = await readdir(join(kube.directory, 'secrets'));
      return (await Promise.all(owners.map((owner) => readdir(join(kube.directory, 'secrets', owner))))).flat();
    };
    assert.equal((await placed()).length, 1);
    await kube.kubectl('delete', 'vllmd', 'chat', '--timeout=60s');
    assert.deepEqual(await liveJobs(slurm, 'chat'), []);
    await until('its secret is gone', async () => (await placed()).length === 0 || undefined);
    assert.doesNotMatch(operator.log(), /sk-of-the-endpoint/);
  });
});
