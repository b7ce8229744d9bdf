import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Status } from '../../src/api/status.ts';
import { SOME_RULES, TENANCY_CASES } from '../launch/tenancy-cases.ts';
import { type KubeBed, startKubeBed } from './kube-bed/bed.ts';
import { type Helm, helmAt, type KubeObject, objectsIn, substanceOf } from './kube-bed/chart.ts';
import { personAt } from './kube-bed/deployments.ts';
import { installOperator, kustomizedWith, manifestsAt, operatorToken } from './kube-bed/install.ts';
import { monitoringCrds } from './kube-bed/monitoring.ts';
import { type KubeOperator, startKubeOperator } from './kube-bed/operator.ts';
import { whyNoPrograms } from './kube-bed/programs.ts';
import { until } from './operator/until.ts';

const RELEASE = ['vllm-slurm-operator', 'CHART', '--namespace=vllm-slurm-system', '--create-namespace'];
const NARROW = ['--set=watchNamespaces={default}', '--set=config.kubernetes.publishServices=false'];

/** The ways to install it, as a real API server takes them. */
describe('installing on a real API server', { skip: whyNoPrograms() ?? false }, () => {
  let bed: KubeBed;
  let helm: Helm;
  before(async () => {
    bed = await startKubeBed();
    helm = await helmAt(bed);
  });
  after(async () => {
    await bed?.stop();
  });

  const kustomized = async (path = '') => bed.kubectl('kustomize', manifestsAt(path));

  test('the chart and the manifests install the same', async () => {
    const chart = substanceOf(await helm.template());
    const { 'Namespace vllm-slurm-system': _, ...manifests } = substanceOf(objectsIn(await kustomized()));
    assert.deepEqual(chart, manifests);
    const narrow = substanceOf(await helm.template('--set=watchNamespaces={vllm-models}'));
    const {
      'Namespace vllm-slurm-system': __,
      'Namespace vllm-models': ___,
      ...namespaced
    } = substanceOf(objectsIn(await kustomized('/overlays/namespaced')));
    assert.deepEqual(narrow, namespaced);
  });

  test('with a login node, rules for namespaces and monitoring, too', async () => {
    const values = join(bed.directory, 'values.json');
    await writeFile(
      values,
      JSON.stringify({
        tenancy: SOME_RULES,
        ssh: { enabled: true, user: 'alice', host: 'login1' },
        metrics: MONITORED,
      }),
    );
    const chart = substanceOf(await helm.template(`--values=${values}`));
    const kustomized = substanceOf(objectsIn(await kustomizedWith(bed, 'ssh', 'tenancy', 'monitoring')));
    const { 'Namespace vllm-slurm-system': _, ...manifests } = kustomized;
    assert.deepEqual(chart, manifests);
  });

  test('with slurmrestd', async () => {
    const chart = substanceOf(
      await helm.template('--set=rest.enabled=true', '--set=rest.url=https://slurm.example.org:6820'),
    );
    const kustomized = substanceOf(objectsIn(await kustomizedWith(bed, 'slurmrestd')));
    const { 'Namespace vllm-slurm-system': _, ...manifests } = kustomized;
    assert.deepEqual(chart, manifests);
  });

  test('values that cannot be meant are refused with their place, and the chart passes its linter', async () => {
    await helm.run('lint', '--strict', '--quiet', '--kube-version=1.36.0', 'CHART');
    const wrong: readonly (readonly [string, RegExp])[] = [
      ['replicaCount=-1', /replicaCount.*minimum/],
      ['replicas=2', /additional properties 'replicas' not allowed/],
      ['ssh.enabled=true', /ssh\/host/],
      ['ssh.host=-oProxyCommand=x', /ssh\/host/],
      ['rest.enabled=true', /rest\/url/],
      ['rest.url=slurm.example.org', /rest\/url/],
      ['rest.namespaceCredentials.secretName=Not_A_Name', /rest\/namespaceCredentials\/secretName/],
      ['watchNamespaces={Not_A_Name}', /watchNamespaces\/0/],
      ['config.store=directory', /config.*not/],
    ];
    for (const [value, says] of wrong)
      await assert.rejects(helm.template(`--set=${value}`), (error: Error) => says.test(error.message), value);
  });

  test('helm installs, upgrades and uninstalls without a warning; the definition and everybody’s deployments stay', async () => {
    const installed = await helm.run('install', ...RELEASE);
    assert.equal(installed.stderr, '');
    assert.match(installed.stdout, /looks after VLLMDeployments of every namespace/);
    await bed.kubectl('wait', '--for=condition=Established', 'crd/vllmdeployments.vllm-slurm.dev', '--timeout=60s');
    const person = personAt(bed);
    await person.apply('kept', { suspend: true });
    const before = await person.get('kept');
    const upgraded = await helm.run('upgrade', ...RELEASE, ...NARROW);
    assert.equal(upgraded.stderr, '');
    const roles = await bed.kubectl(
      'get',
      'clusterrole',
      'vllm-slurm-operator',
      '-o',
      'jsonpath={.rules[*].resources}',
    );
    assert.equal(roles, '["vllmdeployments"] ["vllmdeployments/status"] ["events"] ["secrets"]');
    assert.equal(await bed.kubectl('get', 'rolebinding', '-n', 'default', '-o', 'name'), ROLE_BINDING);
    await helm.run('uninstall', 'vllm-slurm-operator', '--namespace=vllm-slurm-system');
    assert.deepEqual(await person.get('kept'), before);
    assert.equal(await bed.kubectl('get', 'clusterrole', 'vllm-slurm-operator', '--ignore-not-found'), '');
    await bed.kubectl('delete', 'vllmd', 'kept');
  });

  test('a job lives through an upgrade, an uninstall and an install, and is never submitted again', async () => {
    const person = personAt(bed);
    const isReady = (status: Status): boolean => status.readyReplicas === 1;
    let operator: KubeOperator | undefined;
    /** As what is installed would; ready when it has looked at the deployment. */
    const operate = async (settings: Readonly<Record<string, string>> = {}): Promise<void> => {
      const kubeconfig = await bed.kubeconfig('operator.kubeconfig', { token: await operatorToken(bed) });
      const begun = await startKubeOperator(bed, kubeconfig, { settings: { 'cluster.type': 'local', ...settings } });
      operator = begun;
      await until('it leads', async () => LEADS.test((await begun.page('/metrics')).text) || undefined);
    };
    const looked = (): Promise<true> =>
      until('its turns', async () => TURNED.test((await operator?.page('/metrics'))?.text ?? '') || undefined);
    const served = async (): Promise<unknown> => {
      const { url, jobs, records } = await person.shows('lives', isReady);
      const answer = await fetch(`${url}/v1/models`, { signal: AbortSignal.timeout(10_000) });
      return {
        code: answer.status,
        ids: jobs?.map(({ jobId }) => jobId),
        attempts: records?.map(({ attempt }) => attempt),
      };
    };
    try {
      await helm.run('install', ...RELEASE);
      await operate();
      await person.apply('lives');
      const before = await served();

      await helm.run('upgrade', ...RELEASE, ...NARROW);
      await operator?.stop();
      await operate({ 'kubernetes.watchNamespaces': 'default', 'kubernetes.publishServices': 'false' });
      await looked();
      assert.deepEqual(await served(), before);

      await operator?.stop();
      await helm.run('uninstall', 'vllm-slurm-operator', '--namespace=vllm-slurm-system');
      assert.deepEqual(await served(), before);

      await helm.run('install', ...RELEASE);
      await operate();
      await looked();
      assert.deepEqual(await served(), before);
      await bed.kubectl('delete', 'vllmd', 'lives', '--timeout=60s');
    } finally {
      await operator?.stop();
      await helm.run('uninstall', 'vllm-slurm-operator', '--namespace=vllm-slurm-system', '--ignore-not-found');
    }
  });

  test('the Prometheus operator’s definitions take the ServiceMonitor and the alerts, from both, in every field', async (story) => {
    const crds = await monitoringCrds();
    if (crds === undefined) return story.skip('its definitions come as a Go module, and there is no Go');
    await bed.kubectl('apply', '--server-side', ...crds.flatMap((file) => ['-f', file]));
    await bed.kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
    const isTheirs = ({ apiVersion }: KubeObject): boolean => apiVersion.startsWith('monitoring.coreos.com/');
    const values = join(bed.directory, 'monitored.json');
    await writeFile(values, JSON.stringify({ metrics: MONITORED }));
    for (const objects of [
      objectsIn(await kustomizedWith(bed, 'monitoring')),
      await helm.template(`--values=${values}`),
    ]) {
      const theirs = objects.filter(isTheirs);
      assert.deepEqual(theirs.map(({ kind }) => kind).sort(), ['PrometheusRule', 'ServiceMonitor']);
      assert.equal(await bed.warningsOf(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: theirs })), '');
      const [first] = theirs;
      await assert.rejects(bed.warningsOf(JSON.stringify({ ...first, spec: { endpoint: [] } })), /spec\.endpoint/);
    }
  });

  test('the manifests are taken without a warning, and whoever may edit a namespace may edit its deployments', async () => {
    await installOperator(bed);
    for (const path of ['', '/overlays/namespaced', '/samples'])
      assert.equal(await bed.warningsOf(await kustomized(path)), '', path);
    const edit = await bed.kubectl('get', 'clusterrole', 'vllmdeployments-edit', '-o', 'jsonpath={.metadata.labels}');
    assert.match(edit, /"rbac\.authorization\.k8s\.io\/aggregate-to-edit":"true"/);
  });

  test('rules for namespaces are kept by the API server as the operator keeps them, and kubectl scale is no way around', async () => {
    const withRules = await kustomizedWith(bed, 'tenancy');
    assert.equal(await bed.warningsOf(withRules), '');
    for (const name of new Set(TENANCY_CASES.map(({ namespace }) => namespace)))
      await bed.kubectl('create', 'ns', name);
    const manifest = (spec: object): string =>
      JSON.stringify({
        apiVersion: 'vllm-slurm.dev/v1alpha1',
        kind: 'VLLMDeployment',
        metadata: { name: 'judged' },
        spec: { model: { uri: 'hf://org/model' }, ...spec },
      });
    const judge = async (namespace: string, spec: object): Promise<string> =>
      bed
        .kubectlWith(manifest(spec), 'create', '--dry-run=server', '-n', namespace, '-f', '-')
        .catch((error: Error) => error.message);
    // A policy is in force a moment after it is there.
    await until('the policy in force', async () => (await judge('team-b', {})).includes('no rule gives') || undefined);
    const wrong: string[] = [];
    for (const { what, namespace, spec, says } of TENANCY_CASES) {
      const said = await judge(namespace, spec);
      const allowed = /judged created/.test(said);
      const named =
        says?.some((line) => said.includes(line.split(':', 1)[0] ?? line)) || says?.[0]?.includes(namespace);
      const isPath = said.includes('a path of spec.model');
      if (allowed !== (says === undefined) || (says && !named && !isPath)) wrong.push(`${what}: ${said}`);
    }
    assert.deepEqual(wrong, []);

    const slurm = { account: 'team-a', partitions: ['gpu'], qos: 'normal' };
    await bed.kubectlWith(manifest({ slurm, replicas: 2 }), 'create', '-n', 'team-a-dev', '-f', '-');
    const scale = (replicas: number) =>
      bed.kubectl('scale', 'vllmd/judged', '-n', 'team-a-dev', `--replicas=${replicas}`);
    await assert.rejects(scale(9), /no rule allows 9 replicas in namespace team-a-dev/);
    await scale(8);
    // What only the operator writes passes, whatever the rules have become.
    await bed.kubectl('delete', 'validatingadmissionpolicybinding', 'vllm-slurm-tenancy');
    const patch = (body: object) =>
      bed.kubectl('patch', 'vllmd/judged', '-n', 'team-a-dev', '--type=merge', '-p', JSON.stringify(body));
    const otherQos = () => patch({ spec: { slurm: { qos: 'other' } } }).catch(() => undefined);
    await until('the policy out of force', otherQos);
    await bed.warningsOf(withRules);
    await until('the policy in force', async () => (await judge('team-b', {})).includes('no rule gives') || undefined);
    await assert.rejects(patch({ spec: { slurm: { qos: 'third' } } }), /spec\.slurm\.qos: no rule allows it/);
    await patch({ metadata: { finalizers: ['vllm-slurm.dev/slurm-jobs'] } });
    await patch({ metadata: { finalizers: null } });
    await bed.kubectl('delete', 'vllmd/judged', '-n', 'team-a-dev', '--timeout=30s');
  });

  test('rules that the API server is not given the operator keeps alone, says which field, and follows their file', async () => {
    await bed.kubectl('delete', 'validatingadmissionpolicybinding', '--all');
    const tenancyFile = join(bed.directory, 'tenancy.yaml');
    await writeFile(tenancyFile, JSON.stringify({ rules: [{ namespaces: ['default'], maxReplicas: 1 }] }));
    const kubeconfig = await bed.kubeconfig('operator.kubeconfig', { token: await operatorToken(bed) });
    const operator = await startKubeOperator(bed, kubeconfig, {
      settings: { 'cluster.type': 'local', 'kubernetes.tenancyFile': tenancyFile },
    });
    try {
      const person = personAt(bed);
      const apply = (account: object) => person.apply('tenant', { slurm: account }).catch(() => undefined);
      await until('the policy out of force', async () => {
        await apply({ account: 'x' });
        return person.get('tenant');
      });
      const { conditions, jobs } = await person.shows('tenant', (status) => status.phase === 'Stalled');
      const stalled = conditions?.find(({ type }) => type === 'Stalled');
      assert.deepEqual([stalled?.reason, jobs], ['NotAllowed', []]);
      assert.match(stalled?.message ?? '', /in namespace default: spec\.slurm\.account: must be left out$/);
      await apply({});
      await person.shows('tenant', (status) => status.readyReplicas === 1);

      await writeFile(tenancyFile, JSON.stringify({ rules: [{ namespaces: ['Default'] }] }));
      const inUse = async () =>
        /^vllm_slurm_tenancy_file_in_use (\d)$/m.exec((await operator.page('/metrics')).text)?.[1];
      await until('the mistake told', async () => (await inUse()) === '0' || undefined);
      assert.match(operator.log(), /left as they were.*tenancy\.yaml:1: rules\.0\.namespaces\.0: must be a namespace/);
      await writeFile(tenancyFile, JSON.stringify({ rules: [{ namespaces: ['default'], accounts: ['x'] }] }));
      await until('the new rules in force', async () => (await inUse()) === '1' || undefined);
      await apply({ account: 'x' });
      await person.shows(
        'tenant',
        (status, { metadata }) => status.observedGeneration === metadata.generation && status.readyReplicas === 1,
      );
      await bed.kubectl('delete', 'vllmd', 'tenant', '--timeout=60s');
    } finally {
      await operator.stop();
    }
  });
});

const MONITORED = { serviceMonitor: { enabled: true }, rules: { enabled: true }, dashboard: { enabled: true } };
const LEADS = /^leader_election_master_status\{.*\} 1$/m;
const TURNED = /^controller_runtime_reconcile_total\{.*result="requeue_after"\} [1-9]/m;
const ROLE_BINDING = 'rolebinding.rbac.authorization.k8s.io/vllm-slurm-operator';
