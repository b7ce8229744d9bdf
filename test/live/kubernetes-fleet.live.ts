import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { stringify } from 'yaml';
import { type KubeBed, startKubeBed } from './kube-bed/bed.ts';
import { helmAt } from './kube-bed/chart.ts';
import { type Person, personAt, standIn } from './kube-bed/deployments.ts';
import { operatorToken } from './kube-bed/install.ts';
import { type KubeOperator, startKubeOperator } from './kube-bed/operator.ts';
import { whyNoPrograms } from './kube-bed/programs.ts';
import { liveJobs, type QueueWatch, watchQueue } from './operator/queue.ts';
import { until } from './operator/until.ts';
import { type Bed, startBed, whyNoBed } from './slurm-bed/bed.ts';

const NAMES = Array.from({ length: 10 }, (_, n) => `model-${n}`);
const CHART = ['install', 'vllm-slurm-operator', 'CHART', '--namespace=vllm-slurm-system', '--create-namespace'];
const STORM_MS = 8_000;

/** A repository of deployments as a GitOps tool applies it: a real API server, the chart, and a real SLURM. */
describe('a fleet of ten from one file', { skip: whyNoPrograms() ?? whyNoBed() ?? false }, () => {
  let kube: KubeBed;
  let slurm: Bed;
  let watch: QueueWatch;
  let person: Person;
  let operator: KubeOperator;
  before(async () => {
    [kube, slurm] = await Promise.all([startKubeBed(), startBed()]);
    watch = watchQueue(slurm);
    person = personAt(kube);
    await (await helmAt(kube)).run(...CHART);
    await kube.kubectl('wait', '--for=condition=Established', 'crd/vllmdeployments.vllm-slurm.dev', '--timeout=60s');
    const kubeconfig = await kube.kubeconfig('operator.kubeconfig', {
      token: await operatorToken(kube),
      port: kube.port,
    });
    operator = await startKubeOperator(kube, kubeconfig, {
      settings: { 'cluster.type': 'slurm' },
      env: { ...slurm.env },
    });
  });
  after(async () => {
    await operator?.stop();
    try {
      await watch?.stop();
    } finally {
      await Promise.all([kube?.stop(), slurm?.stop()]);
    }
  });

  const jobOf = async (name: string): Promise<string | undefined> =>
    (await person.get(name))?.status?.endpoints?.[0]?.jobId;
  const jobsOf = async (names: readonly string[]) =>
    Object.fromEntries(await Promise.all(names.map(async (name) => [name, await jobOf(name)] as const)));

  test('all come up; the table has each URL, and each answers for its own model', async () => {
    const manifests = NAMES.map((name) =>
      stringify({
        apiVersion: 'vllm-slurm.dev/v1alpha1',
        kind: 'VLLMDeployment',
        metadata: { name },
        spec: standIn(name),
      }),
    );
    await kube.kubectlWith(manifests.join('---\n'), 'apply', '-f', '-');
    await kube.kubectl('wait', 'vllmd', '--all', '--for=condition=Ready', '--timeout=180s');
    const rows = (await kube.kubectl('get', 'vllmdeployments', '--no-headers')).trim().split('\n');
    const cells = rows.map((row) => row.trim().split(/ {2,}/));
    assert.deepEqual(
      cells.map(([name, , ready, desired, phase]) => [name, ready, desired, phase]),
      NAMES.map((name) => [name, '1', '1', 'Running']),
    );
    const answered = await Promise.all(
      cells.map(async ([name = '', , , , , url = '']) => {
        const answer = await fetch(`${url}/v1/chat/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: name, messages: [{ role: 'user', content: 'Hello' }] }),
          signal: AbortSignal.timeout(20_000),
        });
        return [answer.status, ((await answer.json()) as { readonly model?: string }).model];
      }),
    );
    assert.deepEqual(
      answered,
      NAMES.map((name) => [200, name]),
    );
  });

  test('one is edited, one scaled, one deleted and made again at once; the others notice nothing', async () => {
    const [edited = '', scaled = '', again = '', ...others] = NAMES;
    const before = await jobsOf(NAMES);
    const old = await person.get(again);
    await person.apply(edited, { engine: { type: 'stand-in', seed: 7 } });
    await kube.kubectl('scale', `vllmd/${scaled}`, '--replicas=2');
    await kube.kubectl('delete', 'vllmd', again, '--timeout=60s');
    await person.apply(again);
    await person.shows(scaled, (status) => status.readyReplicas === 2);
    await person.shows(
      again,
      (status, { metadata }) => status.readyReplicas === 1 && metadata.uid !== old?.metadata.uid,
    );
    await person.shows(
      edited,
      (status) =>
        status.updatedReplicas === 1 && status.readyReplicas === 1 && status.endpoints?.[0]?.jobId !== before[edited],
    );
    assert.deepEqual(await jobsOf(others), Object.fromEntries(others.map((name) => [name, before[name]])));
    assert.equal((await liveJobs(slurm, edited)).length, 1);
  });

  test('while somebody writes to every object all the time each edit is followed, and no job is doubled', async () => {
    const [, scaled = '', , ended = '', ...others] = NAMES;
    const before = await jobsOf(others);
    const endMs = Date.now() + STORM_MS;
    let written = 0;
    const storm = NAMES.map(async (name) => {
      while (Date.now() < endMs) {
        const done = await kube
          .kubectl('annotate', '--overwrite', 'vllmd', name, `storm.example.com/at=${Date.now()}`)
          .catch(() => undefined); // one of them is deleted meanwhile
        if (done !== undefined) written += 1;
      }
    });
    await kube.kubectl('scale', `vllmd/${scaled}`, '--replicas=3');
    await kube.kubectl('delete', 'vllmd', ended, '--timeout=60s');
    await person.shows(scaled, (status) => status.readyReplicas === 3);
    await Promise.all(storm);
    assert.ok(written > NAMES.length, `${written} writes are no storm`);
    assert.deepEqual(await jobsOf(others), before);
    assert.equal((await liveJobs(slurm, scaled)).length, 3);
    assert.deepEqual(await liveJobs(slurm, ended), []);
    await kube.kubectl('delete', 'vllmd', '--all', '--timeout=120s');
    await until(
      'no job is left',
      async () =>
        (await Promise.all(NAMES.map((name) => liveJobs(slurm, name)))).every((jobs) => jobs.length === 0) || undefined,
    );
  });
});
