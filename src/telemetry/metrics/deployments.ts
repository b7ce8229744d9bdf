import { Gauge, type Registry } from 'prom-client';
import type { Store } from '../../store/store.ts';

/** @returns looks at the deployments: to be called before the values are read */
export function deploymentMetrics(registers: Registry[], store: Pick<Store, 'list'>): () => Promise<void> {
  const labelNames = ['namespace', 'name'];
  const ready = new Gauge({
    name: 'vllm_slurm_deployment_ready_replicas',
    help: 'Replicas whose endpoint answers.',
    labelNames,
    registers,
  });
  const phases = new Gauge({
    name: 'vllm_slurm_deployments',
    help: 'Deployments by phase.',
    labelNames: ['phase'],
    registers,
  });
  const wanted = new Gauge({
    name: 'vllm_slurm_deployment_replicas',
    help: 'Replicas asked for.',
    labelNames,
    registers,
  });
  return async () => {
    const listed = await store.list();
    for (const gauge of [wanted, ready, phases]) gauge.reset();
    if (!listed.ok) return;
    for (const { key, spec, status } of listed.value) {
      wanted.set({ ...key }, spec?.replicas ?? 0);
      ready.set({ ...key }, status.readyReplicas ?? 0);
      phases.inc({ phase: status.phase ?? 'Pending' });
    }
  };
}
