import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type KubeBed, startKubeBed } from './kube-bed/bed.ts';
import { type Helm, helmAt, objectsIn, substanceOf } from './kube-bed/chart.ts';
import { personAt } from './kube-bed/deployments.ts';
import { installOperator, manifestsAt } from './kube-bed/install.ts';
import { whyNoPrograms } from './kube-bed/programs.ts';

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

  test('values that cannot be meant are refused with their place, and the chart passes its linter', async () => {
    await helm.run('lint', '--strict', '--quiet', '--kube-version=1.36.0', 'CHART');
    const wrong: readonly (readonly [string, RegExp])[] = [
      ['replicaCount=-1', /replicaCount.*minimum/],
      ['replicas=2', /additional properties 'replicas' not allowed/],
      ['ssh.enabled=true', /ssh\/host/],
      ['ssh.host=-oProxyCommand=x', /ssh\/host/],
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

  test('the manifests are taken without a warning, and whoever may edit a namespace may edit its deployments', async () => {
    await installOperator(bed);
    for (const path of ['', '/overlays/namespaced', '/samples'])
      assert.equal(await bed.warningsOf(await kustomized(path)), '', path);
    const edit = await bed.kubectl('get', 'clusterrole', 'vllmdeployments-edit', '-o', 'jsonpath={.metadata.labels}');
    assert.match(edit, /"rbac\.authorization\.k8s\.io\/aggregate-to-edit":"true"/);
  });
});

const ROLE_BINDING = 'rolebinding.rbac.authorization.k8s.io/vllm-slurm-operator';
