import { setTimeout as delay } from 'node:timers/promises';
import { type ApiRequest, isNotFound, type KubernetesApi } from '../../../src/kubernetes/api.ts';
import { createKubernetesApi } from '../../../src/kubernetes/client.ts';
import { loadCredentials } from '../../../src/kubernetes/credentials.ts';
import { value } from '../../contract/store.ts';
import { until } from '../operator/until.ts';
import type { KubeBed } from './bed.ts';

/** The client under test, as the bed's admin or through another kubeconfig. */
export async function connect(bed: KubeBed, kubeconfig?: string): Promise<KubernetesApi> {
  const credentials = value(loadCredentials({ kubeconfig: kubeconfig ?? (await bed.kubeconfig('api.kubeconfig')) }));
  return createKubernetesApi(credentials, 'vllm-slurm-operator/test');
}

/** Installs it and waits until its collection is served. @returns what the API server and kubectl had to say on stderr */
export async function installCrd(bed: KubeBed, api: KubernetesApi, crd: object): Promise<void> {
  await bed.kubectlWith(JSON.stringify(crd), 'apply', '--server-side', '--force-conflicts', '-f', '-');
  await bed.kubectl('wait', '--for=condition=Established', 'crd/vllmdeployments.vllm-slurm.dev', '--timeout=60s');
  const list: ApiRequest = { method: 'GET', path: '/apis/vllm-slurm.dev/v1alpha1/vllmdeployments' };
  await until('the collection served', async () => (await api.request(list)).ok || undefined);
}

/**
 * The CustomResourceDefinition with the same shape and defaults and without what it refuses, as an older one might
 * have been: what reaches the operator past it is the operator's own to refuse.
 */
export function loosened(crd: object): object {
  return JSON.parse(JSON.stringify(crd), (key: string, at: unknown) => {
    if (key === 'scale') return undefined; // it has a rule of its own
    const isSpec = key === 'spec' && typeof at === 'object' && at !== null && 'properties' in at;
    return isSpec ? withoutRules(at) : at;
  }) as object;
}

const RULES = new Set([
  ...['required', 'minimum', 'maximum', 'exclusiveMinimum', 'minLength', 'maxLength', 'minItems', 'maxItems'],
  ...['pattern', 'enum', 'allOf', 'x-kubernetes-validations'],
]);

function withoutRules(at: unknown): unknown {
  if (Array.isArray(at)) return at.map(withoutRules);
  if (typeof at !== 'object' || at === null) return at;
  return Object.fromEntries(
    Object.entries(at)
      .filter(([name]) => !RULES.has(name))
      .map(([name, member]) => [name, name === 'default' ? member : withoutRules(member)]),
  );
}

/** Nothing of ours is left, finalizers or not. */
export async function removeAll(bed: KubeBed, api: KubernetesApi): Promise<void> {
  for (;;) {
    const listed = value(
      await api.request({ method: 'GET', path: '/apis/vllm-slurm.dev/v1alpha1/vllmdeployments' }),
    ) as {
      readonly items: readonly { readonly metadata: { readonly namespace: string; readonly name: string } }[];
    };
    if (listed.items.length === 0) return;
    for (const { metadata } of listed.items) {
      const path = `/apis/vllm-slurm.dev/v1alpha1/namespaces/${metadata.namespace}/vllmdeployments/${metadata.name}`;
      const freed = await api.request({ method: 'PATCH', path, body: { metadata: { finalizers: null } } });
      if (!freed.ok && isNotFound(freed.error)) continue;
      await bed.kubectl(
        'delete',
        'vllmd',
        metadata.name,
        '-n',
        metadata.namespace,
        '--ignore-not-found',
        '--wait=false',
      );
    }
    await delay(50);
  }
}
