import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type KubeBed, startKubeBed } from './kube-bed/bed.ts';
import { type Person, personAt } from './kube-bed/deployments.ts';
import { installOperator, operatorToken } from './kube-bed/install.ts';
import { type KubeOperator, startKubeOperator } from './kube-bed/operator.ts';
import { whyNoPrograms } from './kube-bed/programs.ts';
import { liveJobs } from './operator/queue.ts';
import { type Bed, startBed, whyNoBed } from './slurm-bed/bed.ts';

/** The operator of a real API server with nothing of SLURM's but an address and a token. */
describe('the operator in Kubernetes, with SLURM behind slurmrestd', {
  skip: whyNoPrograms() ?? whyNoBed() ?? false,
}, () => {
  let kube: KubeBed;
  let slurm: Bed;
  let person: Person;
  let operator: KubeOperator;
  before(async () => {
    [kube, slurm] = await Promise.all([startKubeBed(), startBed({ rest: true, accounting: true })]);
    person = personAt(kube);
    await installOperator(kube);
    const tokenFile = join(slurm.directory, 'token');
    await writeFile(tokenFile, await slurm.token('root', 3600), { mode: 0o600 });
    const kubeconfig = await kube.kubeconfig('operator.kubeconfig', {
      token: await operatorToken(kube),
      port: kube.port,
    });
    operator = await startKubeOperator(kube, kubeconfig, {
      settings: {
        'cluster.type': 'rest',
        'cluster.rest.url': slurm.restUrl,
        'cluster.rest.tokenFile': tokenFile,
        'cluster.rest.allowPrivilegedToken': 'true',
      },
    });
  });
  after(async () => {
    await operator?.stop();
    await Promise.all([kube?.stop(), slurm?.stop()]);
  });

  test('an object reaches Ready, is scaled, and what is deleted leaves nothing behind', async () => {
    await person.apply('chat');
    await kube.kubectl('wait', 'vllmd/chat', '--for=condition=Ready', '--timeout=120s');
    assert.equal((await liveJobs(slurm, 'chat')).length, 1);
    await kube.kubectl('scale', 'vllmd/chat', '--replicas=2');
    await person.shows('chat', ({ readyReplicas }) => readyReplicas === 2);
    await kube.kubectl('delete', 'vllmd', 'chat', '--timeout=60s');
    assert.deepEqual(await liveJobs(slurm, 'chat'), []);
  });
});
