import { z } from 'zod';
import { Status } from '../../src/api/status.ts';
import { type ApiError, isNotFound, type KubernetesApi } from '../../src/kubernetes/api.ts';
import { createTurnstile } from '../../src/probe/turnstile.ts';
import type { Result } from '../../src/result.ts';
import { collectionPath, objectPath } from '../../src/store/kubernetes/paths.ts';
import { manifest, NAMESPACE } from '../fleet.ts';
import type { Look } from '../known-jobs.ts';

/** Of a person's own tool, or of whatever applies a repository. */
const AT_ONCE = 8;

const Deployment = z.object({ status: Status.default({}) });
export type Deployment = z.output<typeof Deployment>;

export const deploymentPath = (name: string): string => objectPath({ namespace: NAMESPACE, name });

export async function createDeployments(api: KubernetesApi, names: readonly string[]): Promise<void> {
  const turnstile = createTurnstile(AT_ONCE);
  await Promise.all(names.map((name) => turnstile.pass(() => answered(api, 'POST', COLLECTION, manifest(name)))));
}
const COLLECTION = collectionPath(NAMESPACE);

export const inStatus =
  (api: KubernetesApi): Look =>
  async (name) =>
    (await deploymentAt(api, name))?.status.records?.[0]?.jobId;

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
