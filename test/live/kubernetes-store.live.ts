import { after, before, describe } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { customResourceDefinition } from '../../src/api/crd.ts';
import { type Key, keyText } from '../../src/api/key.ts';
import type { Resource } from '../../src/api/resource.ts';
import { systemClock } from '../../src/clock.ts';
import type { KubernetesApi } from '../../src/kubernetes/api.ts';
import { createKubernetesStore } from '../../src/store/kubernetes/store.ts';
import type { Store } from '../../src/store/store.ts';
import { storeContract, value } from '../contract/store.ts';
import { type KubeBed, startKubeBed } from './kube-bed/bed.ts';
import { connect, installCrd, loosened, removeAll } from './kube-bed/crd.ts';
import { whyNoPrograms } from './kube-bed/programs.ts';
import { until } from './operator/until.ts';

/** The contract of every store, on a real API server. Its definition is loose, so that bad input arrives at all. */
describe('on a real API server', { skip: whyNoPrograms() ?? false }, () => {
  let bed: KubeBed;
  let api: KubernetesApi;
  before(async () => {
    bed = await startKubeBed();
    api = await connect(bed);
    await bed.kubectl('create', 'namespace', 'team-a');
    await installCrd(bed, api, loosened(customResourceDefinition()));
  });
  after(async () => {
    await api?.close();
    await bed?.stop();
  });

  storeContract('the Kubernetes store', async () => {
    const open = async (): Promise<Store> =>
      value(await createKubernetesStore({ api, clock: systemClock, random: () => 0, log: () => undefined }));
    const store = await open();
    const stores = [store];
    const path = ({ namespace, name }: Key) =>
      `/apis/vllm-slurm.dev/v1alpha1/namespaces/${namespace}/vllmdeployments/${name}`;
    const successors = new Map<string, () => Promise<void>>();

    const noticed = (key: Key, is: (resource: Resource | undefined) => boolean) =>
      until(`${keyText(key)} noticed`, async () => is(value(await store.get(key))) || undefined);
    const exists = async (key: Key) => (await api.request({ method: 'GET', path: path(key) })).ok;

    async function apply(key: Key, spec: object): Promise<void> {
      const known = await store.get(key);
      if (known.ok && known.value?.deletingSinceMs !== undefined) {
        // Whoever recreates a name waits until the old one is gone.
        successors.set(keyText(key), () => apply(key, spec));
        return;
      }
      const answer = value(
        (await exists(key))
          ? await api.request({ method: 'PATCH', path: path(key), body: { spec: specPatch(known, spec) } })
          : await api.request({
              method: 'POST',
              path: path(key).replace(/\/[^/]*$/, ''),
              body: { apiVersion: 'vllm-slurm.dev/v1alpha1', kind: 'VLLMDeployment', metadata: key, spec },
            }),
      ) as { readonly metadata: { readonly resourceVersion: string } };
      await noticed(key, (resource) => resource?.version === answer.metadata.resourceVersion);
    }

    const whoWaits = (of: Store): Store => ({
      ...of,
      async releaseFinalizer(seen) {
        const released = await of.releaseFinalizer(seen);
        const next = successors.get(keyText(seen.key));
        successors.delete(keyText(seen.key));
        if (released.ok && next) await next();
        return released;
      },
    });

    return {
      store: whoWaits(store),
      apply,
      async remove(key) {
        await bed.kubectl('delete', 'vllmd', key.name, '-n', key.namespace, '--wait=false');
        await noticed(key, (resource) => !resource || resource.deletingSinceMs !== undefined);
      },
      async reopen() {
        const again = await open();
        stores.push(again);
        return whoWaits(again);
      },
      async dispose() {
        await removeAll(bed, api);
        await Promise.all(stores.map((one) => one.close()));
        await delay(0);
      },
    };
  });
});

/** A merge patch that leaves nothing of the spec before: `kubectl replace` in one field. */
function specPatch(known: Awaited<ReturnType<Store['get']>>, spec: object): object {
  const before = known.ok ? (known.value?.spec ?? {}) : {};
  return { ...Object.fromEntries(Object.keys(before).map((name) => [name, null])), ...spec };
}
