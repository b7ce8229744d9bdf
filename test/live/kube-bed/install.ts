import { mkdtemp, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../operator/until.ts';
import type { KubeBed } from './bed.ts';

/** Below `manifests/`, with a slash before it. */
export const manifestsAt = (path = ''): string => fileURLToPath(new URL(`../../../manifests${path}`, import.meta.url));

/** As the audit log and RBAC name the operator. */
export const OPERATOR_USER = 'system:serviceaccount:vllm-slurm-system:vllm-slurm-operator';

/** `kubectl apply -k manifests`: the definition, the rights, and a Deployment that no kubelet runs here. */
export async function installOperator(bed: KubeBed): Promise<void> {
  const manifests = await bed.kubectl('kustomize', manifestsAt());
  // The namespace comes in the same breath as what is in it.
  await until('the manifests applied', async () => {
    try {
      return await bed.kubectlWith(manifests, 'apply', '--server-side', '-f', '-');
    } catch {
      return undefined;
    }
  });
  await bed.kubectl('wait', '--for=condition=Established', 'crd/vllmdeployments.vllm-slurm.dev', '--timeout=60s');
}

/** What a pod of the operator would find in its token file. */
export async function operatorToken(bed: KubeBed): Promise<string> {
  return (await bed.kubectl('create', 'token', 'vllm-slurm-operator', '-n', 'vllm-slurm-system')).trim();
}

/** What kustomize makes of the manifests with these components on top. */
export async function kustomizedWith(bed: KubeBed, ...components: readonly string[]): Promise<string> {
  const directory = await mkdtemp(join(bed.directory, 'kustomization-'));
  const at = (path: string): string => relative(directory, manifestsAt(path));
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [at('')],
    components: components.map((name) => at(`/components/${name}`)),
  };
  await writeFile(join(directory, 'kustomization.yaml'), JSON.stringify(kustomization));
  return bed.kubectl('kustomize', directory);
}
