import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Endpoint } from '../../src/api/status.ts';
import { systemClock } from '../../src/clock.ts';
import { createServices } from '../../src/publish/services.ts';
import { resource as aResource } from '../gen/observation.ts';
import { type KubeBed, startKubeBed } from './kube-bed/bed.ts';
import { grantedBy, objectsIn } from './kube-bed/chart.ts';
import { connect } from './kube-bed/crd.ts';
import { type Person, personAt } from './kube-bed/deployments.ts';
import { installOperator, manifestsAt, OPERATOR_USER, operatorToken } from './kube-bed/install.ts';
import { type KubeOperator, startKubeOperator } from './kube-bed/operator.ts';
import { whyNoPrograms } from './kube-bed/programs.ts';
import { type SilentProxy, startSilentProxy } from './kube-bed/silent-proxy.ts';
import { until } from './operator/until.ts';

/** The whole operator under its own service account on a real API server, jobs as processes of this machine. */
describe('the operator on a real API server', { skip: whyNoPrograms() ?? false }, () => {
  let bed: KubeBed;
  let person: Person;
  let proxy: SilentProxy;
  let operator: KubeOperator;
  before(async () => {
    bed = await startKubeBed();
    person = personAt(bed);
    await installOperator(bed);
    proxy = await startSilentProxy(bed.port);
    const kubeconfig = await bed.kubeconfig('operator.kubeconfig', {
      token: await operatorToken(bed),
      port: proxy.port,
    });
    operator = await startKubeOperator(bed, kubeconfig, { settings: { 'cluster.type': 'local', 'local.cpus': 8 } });
  });
  after(async () => {
    await operator?.stop();
    await proxy?.close();
    await bed?.stop();
  });

  test('kubectl apply becomes a job whose endpoint the object names; wait, get, describe and scale are as people know them', async () => {
    await person.apply('chat');
    await bed.kubectl('wait', 'vllmd/chat', '--for=condition=Ready', '--timeout=120s');
    const table = await bed.kubectl('get', 'vllmd', 'chat');
    const [head = '', row = ''] = table.split('\n').map((line) => line.trim().replace(/ {2,}/g, ' | '));
    assert.equal(head, 'NAME | MODEL | READY | DESIRED | PHASE | URL | REASON | AGE');
    assert.match(row, /^chat \| hf:\/\/example\/chat \| 1 \| 1 \| Running \| http:\/\/127\.0\.0\.1:\d+ \| \w+ \| \w+$/);
    const { url } = await person.shows('chat', (status) => status.url !== undefined);
    const models = await fetch(`${url}/v1/models`, { signal: AbortSignal.timeout(10_000) });
    assert.equal(models.status, 200);

    await bed.kubectl('scale', 'vllmd/chat', '--replicas=2');
    const scaled = await person.shows('chat', (status) => status.readyReplicas === 2);
    assert.deepEqual([scaled.observedGeneration, scaled.replicas], [2, 2]);
    const events = await until('events', async () => {
      const said = await bed.kubectl('describe', 'vllmd', 'chat');
      return /Normal +Ready/.test(said) && /Normal +Submitted/.test(said) ? said : undefined;
    });
    assert.match(events, /replica 0 attempt 1 is job 1/);
    assert.equal(JSON.parse(await bed.kubectl('get', '--raw', `${COLLECTION}/chat/scale`)).status.replicas, 2);
  });

  test('nothing changes, nothing is written but the lease', async () => {
    await person.shows('chat', (status) => status.readyReplicas === 2);
    // Two resyncs of ten seconds, between them nothing to do.
    await until('a first resync', async () => (await turns()) > 0 || undefined);
    const before = { writes: await writes(), turns: await turns() };
    assert.ok(before.writes > 0);
    await until('two resyncs', async () => (await turns()) >= before.turns + 2 || undefined);
    assert.deepEqual(await writes(), before.writes);
  });

  test('the model of a preset, which the API server does not know, is in the table', async () => {
    const manifest = { apiVersion: 'vllm-slurm.dev/v1alpha1', kind: 'VLLMDeployment', metadata: { name: 'known' } };
    const spec = { preset: 'gpt-oss-20b', suspend: true };
    await bed.kubectlWith(JSON.stringify({ ...manifest, spec }), 'apply', '-f', '-');
    await person.shows('known', (status) => status.phase === 'Suspended');
    assert.match(await bed.kubectl('get', 'vllmd', 'known', '--no-headers'), /^known +hf:\/\/openai\/gpt-oss-20b /);
    await bed.kubectl('delete', 'vllmd', 'known', '--timeout=60s');
  });

  test('a spec that the definition cannot judge is told in a condition, and the good one keeps serving', async () => {
    await person.apply('chat', { replicas: 2, engine: { type: 'stand-in', args: ['--port', '1'] } });
    const { conditions, readyReplicas, jobs } = await person.shows('chat', (status) =>
      (status.conditions ?? []).some(({ type, status: is }) => type === 'Stalled' && is === 'True'),
    );
    const stalled = conditions?.find(({ type }) => type === 'Stalled');
    assert.equal(stalled?.reason, 'InvalidSpec');
    assert.match(stalled?.message ?? '', /spec\.engine\.args\[0\]: --port is refused/);
    assert.deepEqual([readyReplicas, jobs?.length], [2, 2]);
    await person.apply('chat', { replicas: 2 });
    await bed.kubectl('wait', 'vllmd/chat', '--for=condition=Ready', '--timeout=60s');
    const { metadata } = (await person.get('chat')) ?? {};
    assert.deepEqual(Object.keys(metadata?.annotations ?? {}), ['kubectl.kubernetes.io/last-applied-configuration']);
  });

  test('a connection that falls silent without a word is left behind', async () => {
    assert.ok(proxy.silence() > 0);
    await bed.kubectl('scale', 'vllmd/chat', '--replicas=1');
    const { observedGeneration } = await person.shows(
      'chat',
      (status, { metadata }) => status.observedGeneration === metadata.generation && status.replicas === 1,
    );
    assert.ok(observedGeneration);
  });

  test('an API server killed, its past compacted and begun again: the fleet is left alone meanwhile, and edits are followed after', async () => {
    const { jobs: before } = await person.shows('chat', (status) => status.readyReplicas === 1);
    await bed.killApiServer();
    await bed.compact();
    await delay(3_000);
    await bed.startApiServer();
    await person.apply('chat', { replicas: 3 });
    const { jobs } = await person.shows('chat', (status) => status.readyReplicas === 3);
    const ids = (jobs ?? []).map(({ jobId }) => jobId);
    assert.deepEqual(
      (before ?? []).map(({ jobId }) => jobId).filter((id) => !ids.includes(id)),
      [],
    );
  });

  test('metrics and probes are under the names that dashboards know', async () => {
    assert.deepEqual(await operator.page('/healthz'), { code: 200, text: '[+]ping ok\nok\n' });
    assert.deepEqual(await operator.page('/readyz'), { code: 200, text: '[+]store ok\nok\n' });
    const { text } = await operator.page('/metrics');
    const wanted = [
      /^controller_runtime_reconcile_total\{controller="vllmdeployment",result="requeue_after"\} [1-9]/m,
      /^controller_runtime_reconcile_errors_total\{controller="vllmdeployment"\} 0$/m,
      /^workqueue_depth\{name="vllmdeployment"\} \d/m,
      /^workqueue_adds_total\{name="vllmdeployment"\} [1-9]/m,
      /^leader_election_master_status\{name="vllmdeployment"\} 1$/m,
      /^vllm_slurm_deployment_ready_replicas\{namespace="default",name="chat"\} 3$/m,
      /^vllm_slurm_submissions_total\{cluster="\w+",result="ok"\} [1-9]/m,
      /^vllm_slurm_jobs\{cluster="\w+",state="RUNNING"\} 3$/m,
      /^vllm_slurm_listing_age_seconds\{cluster="\w+"\} \d/m,
    ];
    assert.deepEqual(
      wanted.filter((line) => !line.test(text)),
      [],
      text,
    );
  });

  test('kubectl delete cancels the jobs and returns when they are gone; the same name at once is another deployment', async () => {
    const old = await person.get('chat');
    assert.deepEqual(old?.metadata.finalizers, ['vllm-slurm.dev/slurm-jobs']);
    await bed.kubectl('delete', 'vllmd', 'chat', '--timeout=60s');
    await person.apply('chat');
    const { jobs } = await person.shows('chat', (status) => status.readyReplicas === 1);
    const fresh = await person.get('chat');
    assert.notEqual(fresh?.metadata.uid, old?.metadata.uid);
    assert.deepEqual(
      jobs?.map(({ attempt, state }) => ({ attempt, state })),
      [{ attempt: 1, state: 'RUNNING' }],
    );
    await bed.kubectl('delete', 'vllmd', 'chat', '--timeout=60s');
    assert.equal(await person.get('chat'), undefined);
  });

  test('a Secret that is missing is told; once it is there the endpoint asks for its key, and nobody can read it anywhere', async () => {
    await person.apply('keyed', { endpoint: { apiKeyFrom: { secretKeyRef: { name: 'keys', key: 'api' } } } });
    const lacking = await person.shows('keyed', ({ conditions }) => JSON.stringify(conditions).includes('Secret'));
    assert.match(JSON.stringify(lacking.conditions), /there is no Secret default\/keys/);
    const key = 'sk-canary-5f1d0c';
    await bed.kubectl('create', 'secret', 'generic', 'keys', `--from-literal=api=${key}`);
    const { url } = await person.shows('keyed', (status) => status.readyReplicas === 1);
    const ask = async (headers: Readonly<Record<string, string>>) =>
      (await fetch(`${url}/v1/models`, { headers, signal: AbortSignal.timeout(10_000) })).status;
    assert.deepEqual([await ask({}), await ask({ authorization: `Bearer ${key}` })], [401, 200]);
    const told = [
      operator.log(),
      await bed.kubectl('get', 'vllmd', 'keyed', '-o', 'yaml'),
      await bed.kubectl('get', 'events', '-o', 'yaml'),
    ];
    assert.deepEqual(
      told.filter((text) => text.includes(key)),
      [],
    );
    await bed.kubectl('delete', 'vllmd', 'keyed', '--timeout=60s');
  });

  test('a deployment has a Service of its name, whose slices are what serves it; what is changed by hand is put right', async () => {
    await person.apply('named', { suspend: true });
    const service = async () => JSON.parse(await bed.kubectl('get', 'service', 'named', '-o', 'json')) as ServiceObject;
    const made = await until('the Service', () => service().catch(() => undefined));
    const uid = (await person.get('named'))?.metadata.uid ?? '';
    assert.deepEqual(
      [made.spec.selector, made.spec.ports.map(({ name, port }) => `${name} ${port}`), made.metadata.ownerReferences],
      [
        undefined,
        ['http 80'],
        [{ apiVersion: 'vllm-slurm.dev/v1alpha1', kind: 'VLLMDeployment', name: 'named', uid, controller: true }],
      ],
    );

    // Jobs of this bed answer on loopback, which no slice may hold: the same rights, by hand, for nodes elsewhere.
    const kubeconfig = await bed.kubeconfig('publisher.kubeconfig', { token: await operatorToken(bed) });
    const api = await connect(bed, kubeconfig);
    const resource = { ...aResource(), key: { namespace: 'default', name: 'named' }, uid };
    const publish = async (...endpoints: readonly Endpoint[]) =>
      createServices({ api, clock: systemClock, resolve: async () => [] }).publish(resource, {
        endpoints: [...endpoints],
      });
    const at = (replica: number, about: Partial<Endpoint> = {}): Endpoint => ({
      replica,
      url: `http://10.1.0.${replica + 1}:20000`,
      node: `node00${replica + 1}`,
      port: 20_000,
      jobId: '1',
      role: 'Serving',
      ready: true,
      since: '2026-01-01T00:00:00Z',
      ...about,
    });
    await bed.kubectl('patch', 'service', 'named', '--type=json', '-p', CHANGED_BY_HAND);
    const v6 = at(1, { url: 'http://[fd00::2]:20000', role: 'Draining', ready: false });
    assert.deepEqual(await publish(at(0), v6), { ok: true, value: undefined });
    assert.equal((await service()).spec.ports[0]?.port, 80);
    const slices = async () =>
      (await bed.kubectl('get', 'endpointslices', '-l', 'kubernetes.io/service-name=named', '-o', SLICES)).split('\n');
    assert.deepEqual(await slices(), [
      'named-ipv4-20000 IPv4 10.1.0.1 20000 true true false',
      'named-ipv6-20000 IPv6 fd00::2 20000 false false true',
    ]);
    assert.deepEqual(await publish(at(0, { ready: false })), { ok: true, value: undefined });
    assert.deepEqual(await slices(), ['named-ipv4-20000 IPv4 10.1.0.1 20000 false false false']);
    const versions = async () =>
      (await bed.kubectl('get', 'services,endpointslices', '-o', VERSIONS)).split('\n').sort();
    const before = await versions();
    assert.deepEqual(await publish(at(0, { ready: false })), { ok: true, value: undefined });
    assert.deepEqual(await versions(), before);
    await api.close();
    await bed.kubectl('delete', 'vllmd', 'named', '--timeout=60s');
  });

  test('a resource whose finalizer is torn off by hand leaves no job behind', async () => {
    await person.apply('torn');
    const { url } = await person.shows('torn', (status) => status.readyReplicas === 1);
    await bed.kubectl('delete', 'vllmd', 'torn', '--wait=false');
    await bed
      .kubectl('patch', 'vllmd', 'torn', '--type=merge', '-p', '{"metadata":{"finalizers":null}}')
      .catch(() => '');
    await until('the endpoint gone', async () => {
      const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
      return answer === undefined || undefined;
    });
  });

  test('it ends in good order, gives the lease back, and has used every right it has and asked for no other', async () => {
    assert.equal(await operator.stop(), 0);
    const lease = JSON.parse(
      await bed.kubectl('get', 'lease', 'vllm-slurm-operator', '-n', 'vllm-slurm-system', '-o', 'json'),
    ) as { readonly spec: { readonly holderIdentity?: string } };
    assert.equal(lease.spec.holderIdentity ?? '', '');
    const requests = await bed.requestsOf(OPERATOR_USER);
    // An API server that has just begun denies rights that it has not read yet: what counts is what was granted, ever.
    const asked = (which: typeof requests) =>
      [...new Set(which.map(({ verb, resource }) => `${verb} ${resource}`))].sort();
    assert.deepEqual(asked(requests), asked(requests.filter(({ code }) => ![401, 403].includes(code))));
    assert.deepEqual(asked(requests), grantedBy(objectsIn(await bed.kubectl('kustomize', manifestsAt()))));
  });

  const writes = async () =>
    (await bed.requestsOf(OPERATOR_USER)).filter(
      ({ verb, resource }) => !['get', 'list', 'watch'].includes(verb) && !resource.endsWith('/leases'),
    ).length;
  const turns = async () => {
    const { text } = await operator.page('/metrics');
    return Number(/^controller_runtime_reconcile_total\{[^}]*requeue_after"\} (\d+)/m.exec(text)?.[1] ?? 0);
  };
});

const COLLECTION = '/apis/vllm-slurm.dev/v1alpha1/namespaces/default/vllmdeployments';

type ServiceObject = {
  readonly metadata: { readonly ownerReferences: unknown };
  readonly spec: {
    readonly selector?: unknown;
    readonly ports: readonly { readonly name: string; readonly port: number }[];
  };
};

const CHANGED_BY_HAND = '[{"op":"replace","path":"/spec/ports/0/port","value":81}]';
const CONDITIONS = ['ready', 'serving', 'terminating'].map((name) => `.endpoints[0].conditions.${name}`);
const SLICES = `jsonpath={range .items[*]}${['.metadata.name', '.addressType', '.endpoints[0].addresses[0]', '.ports[0].port', ...CONDITIONS].map((path) => `{${path}}`).join(' ')}{"\\n"}{end}`;
/** Each object with its version, a line each: kubectl walks what it finds in no order of its own. */
const VERSIONS = 'jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.resourceVersion}{"\\n"}{end}';
