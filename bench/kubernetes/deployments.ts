import { z } from 'zod';
import { Status } from '../../src/api/status.ts';
import { createLimit } from '../../src/controller/limit.ts';
import { type ApiError, isNotFound, type KubernetesApi } from '../../src/kubernetes/api.ts';
import type { Result } from '../../src/result.ts';
import { collectionPath, objectPath } from '../../src/store/kubernetes/paths.ts';
import { manifest, NAMESPACE } from '../fleet.ts';
import { until } from '../until.ts';

/** Of a person's own tool, or of whatever applies a repository. */
const AT_ONCE = 8;
const LOOK_MS = 20;

const Deployment = z.object({ status: Status.default({}) });
export type Deployment = z.output<typeof Deployment>;

export const deploymentPath = (name: string): string => objectPath({ namespace: NAMESPACE, name });

export async function createDeployments(api: KubernetesApi, names: readonly string[]): Promise<void> {
  const limit = createLimit(AT_ONCE);
  await Promise.all(names.map((name) => limit(() => answered(api, 'POST', COLLECTION, manifest(name)))));
}
const COLLECTION = collectionPath(NAMESPACE);

/**
 * Waits until the status of each names its job; looks at one after another, as `knownJobs` does at files.
 * @returns job ids, in the order of the names
 */
export async function toldJobs(
  api: KubernetesApi,
  names: readonly string[],
  withinMs: number,
): Promise<readonly string[]> {
  const ids: string[] = [];
  const end = performance.now() + withinMs;
  for (const name of names) {
    const look = async () => (await deploymentAt(api, name))?.status.jobs?.[0]?.jobId;
    ids.push(await until(`${name} names its job`, Math.max(0, end - performance.now()), look, LOOK_MS));
  }
  return ids;
}

/** @returns undefined: it is not there, or not yet */
export async function deploymentAt(api: KubernetesApi, name: string): Promise<Deployment | undefined> {
  const answer = await api.request({ method: 'GET', path: deploymentPath(name) });
  if (!answer.ok && isNotFound(answer.error)) return undefined;
  return Deployment.parse(answerOf(answer));
}

/** A call of which nothing else than an answer can be made use of. */
export async function answered(
  api: KubernetesApi,
  method: 'GET' | 'POST' | 'PUT' | 'PATCH',
  path: string,
  body?: object,
): Promise<unknown> {
  return answerOf(await api.request({ method, path, ...(body && { body }) }));
}

function answerOf(answer: Result<unknown, ApiError>): unknown {
  if (!answer.ok) throw new Error(answer.error.message);
  return answer.value;
}
