import { fileURLToPath } from 'node:url';
import { until } from '../operator/until.ts';
import type { KubeBed } from './bed.ts';

const MANIFESTS = fileURLToPath(new URL('../../../manifests', import.meta.url));

/** As the audit log and RBAC name the operator. */
export const OPERATOR_USER = 'system:serviceaccount:vllm-slurm-system:vllm-slurm-operator';

/** `kubectl apply -k manifests`: the definition, the namespace, the rights. */
export async function installOperator(bed: KubeBed): Promise<void> {
  const manifests = await bed.kubectl('kustomize', '--load-restrictor=LoadRestrictionsNone', MANIFESTS);
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
