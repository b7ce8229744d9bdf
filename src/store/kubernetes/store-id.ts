import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import type { KubernetesApi } from '../../kubernetes/api.ts';
import { err, ok, type Result } from '../../result.ts';
import type { StoreError } from '../store.ts';

const PATH = '/api/v1/namespaces/kube-system';
/** A server that has just begun is busy, and even denies rights that it has not read yet. */
const PATIENCE_MS = 30_000;
const RETRY_MS = 1_000;
const Namespace = z.object({ metadata: z.object({ uid: z.string().regex(/^[-a-zA-Z0-9]{1,48}$/) }) });

/**
 * Whose the jobs are: the cluster's, whichever operator of it submitted them. It must not depend on the namespaces an
 * operator looks after, or a change of those would leave every running job without an owner. The uid of `kube-system`
 * is what the community takes for the identity of a cluster: that namespace cannot be deleted.
 */
export async function readClusterId(api: KubernetesApi, clock: Clock): Promise<Result<string, StoreError>> {
  const endMs = clock.now() + PATIENCE_MS;
  let answer = await api.request({ method: 'GET', path: PATH });
  while (!answer.ok && clock.now() < endMs) {
    await new Promise<void>((resolve) => void clock.after(RETRY_MS, resolve));
    answer = await api.request({ method: 'GET', path: PATH });
  }
  if (!answer.ok) {
    const advice =
      answer.error.kind === 'refused'
        ? ': allow `get` on the namespace kube-system, or set kubernetes.clusterId to a word that no other cluster has'
        : '';
    return err({
      kind: 'unavailable',
      message: `the cluster could not be asked for its identity: ${answer.error.message}${advice}`,
    });
  }
  const parsed = Namespace.safeParse(answer.value);
  if (!parsed.success) return err({ kind: 'unavailable', message: `${PATH} has no usable uid` });
  return ok(parsed.data.metadata.uid.toLowerCase());
}
