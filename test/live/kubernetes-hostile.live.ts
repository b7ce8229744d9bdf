import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { customResourceDefinition } from '../../src/api/crd.ts';
import { Status } from '../../src/api/status.ts';
import type { KubernetesApi } from '../../src/kubernetes/api.ts';
import { createTurnstile } from '../../src/probe/turnstile.ts';
import { collectionPath, objectPath } from '../../src/store/kubernetes/paths.ts';
import { value } from '../contract/store.ts';
import { catalogOf } from '../gen/catalog.ts';
import { type KubeBed, startKubeBed } from './kube-bed/bed.ts';
import { connect, installCrd, loosened } from './kube-bed/crd.ts';
import { type HostileManifest, hostileManifests } from './kube-bed/hostile.ts';
import { installOperator, operatorToken } from './kube-bed/install.ts';
import { type KubeOperator, startKubeOperator } from './kube-bed/operator.ts';
import { whyNoPrograms } from './kube-bed/programs.ts';
import { until } from './operator/until.ts';

/** What people or programs may send by mistake or on purpose, to a real API server with the operator behind it. */
describe('hostile and wrong manifests', { skip: whyNoPrograms() ?? false }, () => {
  const manifests = hostileManifests(catalogOf({ word: {}, '20000-30000': {} }));
  let bed: KubeBed;
  let api: KubernetesApi;
  let operator: KubeOperator;
  before(async () => {
    bed = await startKubeBed();
    await installOperator(bed);
    api = await connect(bed);
    const kubeconfig = await bed.kubeconfig('operator.kubeconfig', { token: await operatorToken(bed) });
    operator = await startKubeOperator(bed, kubeconfig, { settings: { 'cluster.type': 'local' } });
  });
  after(async () => {
    await operator?.stop();
    await api?.close();
    await bed?.stop();
  });

  /** @returns what is wrong with the answer; undefined: nothing */
  async function answerTo({ what, manifest, fields }: HostileManifest): Promise<string | undefined> {
    const sent = await api.request({
      method: 'POST',
      path: collectionPath('default'),
      query: { fieldValidation: 'Strict' },
      body: manifest,
    });
    const names = (said: string): boolean => fields.some((field) => isNamedIn(said, field));
    if (!sent.ok) return names(sent.error.message) ? undefined : `${what}: the server said ${sent.error.message}`;
    const { name } = (manifest as { readonly metadata: { readonly name: string } }).metadata;
    const path = objectPath({ namespace: 'default', name });
    let last: unknown;
    const { conditions = [], jobs = [] } = await until(
      () => ({ what, last }),
      async () => {
        const object = value(await api.request({ method: 'GET', path })) as { readonly status?: unknown };
        last = object.status;
        const status = Status.parse(object.status ?? {});
        return status.conditions?.some(({ type }) => type === 'Stalled') ? status : undefined;
      },
    );
    if (jobs.length > 0) return `${what}: there is a job`;
    const said = conditions.map(({ message }) => message);
    return said.some(names) ? undefined : `${what}: the operator said ${said.join('; ')}`;
  }

  /** @returns how many were let in */
  async function answerAll(): Promise<number> {
    const atOnce = createTurnstile(16);
    const wrong = await Promise.all(manifests.map((one) => atOnce.pass(() => answerTo(one))));
    assert.deepEqual(
      wrong.filter((one) => one !== undefined),
      [],
    );
    return present();
  }

  async function present(): Promise<number> {
    const listed = value(await api.request({ method: 'GET', path: collectionPath('default') })) as {
      readonly items: readonly unknown[];
    };
    return listed.items.length;
  }

  /** kubectl waits for one after another, and slower than they go. */
  async function removeAll(): Promise<void> {
    await bed.kubectl('delete', 'vllmd', '--all', '--wait=false');
    await until('the last of them gone', async () => (await present()) === 0 || undefined);
  }

  test('each is refused by the server or answered by a condition, and either names the field', async () => {
    assert.ok(manifests.length >= 200, `${manifests.length}`);
    const letIn = await answerAll();
    assert.ok(letIn > 0 && letIn < 30, `${letIn} let in`);
    await removeAll();
  });

  test('let in by a definition that asks for less, each is answered by a condition', async () => {
    await installCrd(bed, api, loosened(customResourceDefinition()));
    const letIn = await answerAll();
    assert.ok(letIn >= 200, `${letIn} let in`);
    await removeAll();
  });

  test('after all of them the operator does its work', async () => {
    assert.equal((await operator.page('/healthz')).code, 200);
    const { text } = await operator.page('/metrics');
    assert.match(text, /^controller_runtime_reconcile_errors_total\{controller="vllmdeployment"\} 0$/m);
  });
});

/** By its path, or, as CEL rules do, by that of the object it is in and its own name. */
function isNamedIn(said: string, field: string): boolean {
  const path = field.replace(/^spec\./, '').replaceAll(/\[\d+\]/g, '');
  const parts = path.split('.');
  const [parent, own = ''] = [parts.slice(0, -1).join('.'), parts.at(-1)];
  return said.includes(path) || (said.includes(parent) && said.includes(own));
}
