import { existsSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { createLocalCluster } from '../../src/slurm/local/local.ts';
import type { Site } from './scratch.ts';

/** The cluster that is part of the program; its jobs are processes of this machine. */
export function embedded(root: string): Site {
  const directory = path.join(root, 'cluster');
  return {
    environment: {
      VLLM_SLURM_CLUSTER_TYPE: 'local',
      VLLM_SLURM_LOCAL_DIRECTORY: directory,
      VLLM_SLURM_LOCAL_GPUS: '64',
      VLLM_SLURM_LOCAL_CPUS: '256',
      // The hub is not asked: the job finds no way to it, and lets its engine find out.
      https_proxy: 'http://127.0.0.1:9',
    },
    async endJobs() {
      if (!existsSync(directory)) return;
      const cluster = await createLocalCluster({ directory, clock: systemClock, gpus: 0, cpus: 1 });
      if (!cluster.ok) throw new Error(cluster.error);
      await cluster.value.cancelAll();
      await cluster.value.close();
    },
  };
}
