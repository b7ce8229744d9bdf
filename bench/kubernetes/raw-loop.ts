import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { FINALIZER } from '../../src/api/resource.ts';
import { createKubernetesApi } from '../../src/kubernetes/client.ts';
import { loadCredentials } from '../../src/kubernetes/credentials.ts';
import { createTurnstile } from '../../src/probe/turnstile.ts';
import { collectionPath } from '../../src/store/kubernetes/paths.ts';
import { manifest, NAMESPACE } from '../fleet.ts';
import { sbatch } from '../sbatch.ts';
import { answered, deploymentPath } from './deployments.ts';
import { EVENTS, type RawLoop, type RawTask, SERVICES } from './raw-task.ts';

/**
 * What the same writes and submissions cost without anything to decide: `node raw-loop.ts TASK.json`. Each deployment is
 * created, given its finalizer, its statuses, a Service and events, and between the first status and the next an sbatch.
 * Prints a `RawLoop`.
 */
const Versioned = z.object({ metadata: z.object({ uid: z.string(), resourceVersion: z.string() }) });

const task = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as RawTask;
const credentials = loadCredentials({ kubeconfig: task.kubeconfig });
if (!credentials.ok) throw new Error(credentials.error);
const api = createKubernetesApi(credentials.value, 'raw-loop');
const submitting = createTurnstile(task.submissionsAtOnce).pass;
const startMs = performance.now();
const lanes = createTurnstile(task.atOnce).pass;
await Promise.all(task.submissions.map((one) => lanes(() => deploy(one))));
const answer: RawLoop = { seconds: (performance.now() - startMs) / 1000 };
await api.close();
process.stdout.write(JSON.stringify(answer));

async function deploy({ deployment, submission }: RawTask['submissions'][number]): Promise<void> {
  const path = deploymentPath(deployment);
  const bare = manifest(deployment);
  let seen = Versioned.parse(await answered(api, 'POST', collectionPath(NAMESPACE), bare));
  const write = async (method: 'PUT' | 'PATCH', where: string, body: object, metadata: object = {}) => {
    const { uid, resourceVersion } = seen.metadata;
    const whole = { ...body, metadata: { ...bare.metadata, ...metadata, uid, resourceVersion } };
    seen = Versioned.parse(await answered(api, method, where, whole));
  };
  await write('PATCH', path, {}, { finalizers: [FINALIZER] });
  for (let at = 0; at < task.statusWrites; at += 1) {
    // The server writes nothing when nothing differs.
    const status = { ...task.status, observedGeneration: at + 1 };
    await write('PUT', `${path}/status`, { apiVersion: bare.apiVersion, kind: bare.kind, status });
    if (at === 0) await submitting(() => sbatch(submission));
  }
  const { labels } = task.service.metadata;
  const metadata = { ...bare.metadata, labels };
  await answered(api, 'POST', SERVICES, { ...task.service, metadata });
  for (const event of task.events) {
    const named = { namespace: NAMESPACE, name: `${deployment}.${randomBytes(8).toString('hex')}` };
    await answered(api, 'POST', EVENTS, { ...event, metadata: named });
  }
}
