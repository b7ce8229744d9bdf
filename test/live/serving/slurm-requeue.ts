import { writeFile } from 'node:fs/promises';
import type { SpecInput } from '../../../src/api/spec.ts';
import type { NodeBed } from '../node-bed/bed.ts';
import { until } from '../operator/until.ts';
import type { Desk } from './desk.ts';
import { type Fault, healAndSettle, injectAndLog } from './faults.ts';
import { jobsOf } from './resubmission.ts';

const DEADLINE_MS = 240_000;

/**
 * What SLURM does by itself: the same script, submitted with `--requeue` by hand and left alone for so long.
 * @returns seconds from the fault until it runs again, or how it ended instead
 */
export async function slurmsOwnRequeue(
  bed: NodeBed,
  desk: Desk,
  fault: Fault,
  name: string,
  spec: SpecInput,
  patienceMs: number,
): Promise<string> {
  const file = `${bed.home}/${name}.yaml`;
  await writeFile(
    file,
    JSON.stringify({ apiVersion: 'vllm-slurm.dev/v1alpha1', kind: 'VLLMDeployment', metadata: { name }, spec }),
  );
  const script = `${bed.home}/${name}.sh`;
  await writeFile(script, await desk.tell('render', '-f', file), { mode: 0o644 });
  const id = await bed.run('sbatch', '--parsable', '--requeue', script);
  const own = async () => (await jobsOf(bed, name)).find((job) => job.id === id);
  const ready = await until(
    `job ${id} ready`,
    async () => {
      const job = await own();
      return job?.comment.includes('|phase=ready') ? job : undefined;
    },
    DEADLINE_MS,
  );
  const [head = '', peer = ''] = ready.nodes;
  const atMs = await injectAndLog(bed, fault, { head, peer });
  // The comment stays that of the first run until the second begins: the count of restarts tells them apart.
  const outcome = await until(
    `job ${id} again`,
    async () => {
      const shown = await bed.run('scontrol', 'show', 'job', '-o', id);
      const state = /JobState=(\w+)/.exec(shown)?.[1] ?? '';
      if (/ Restarts=[1-9]/.test(shown) && state === 'RUNNING') return ((Date.now() - atMs) / 1000).toFixed(1);
      return /^(FAILED|COMPLETED|NODE_FAIL|CANCELLED|TIMEOUT)$/.test(state) ? `never: ${state}` : undefined;
    },
    patienceMs,
  ).catch(() => `not within ${patienceMs / 1000}`);
  await bed.run('scancel', id);
  await healAndSettle(bed, fault, { head, peer });
  await until(
    `job ${id} gone`,
    async () => {
      const job = await own();
      return !job || !/^(RUNNING|PENDING|COMPLETING|CONFIGURING)$/.test(job.state) || undefined;
    },
    DEADLINE_MS,
  );
  return outcome;
}
