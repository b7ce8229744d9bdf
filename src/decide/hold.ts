import type { Endpoint } from '../api/status.ts';
import { answers, answersForMs } from './health.ts';
import type { Observation } from './observation.ts';
import type { Plan } from './plan.ts';
import { soonest } from './soonest.ts';
import { summarizeHold } from './summary.ts';

/**
 * Slurm cannot be believed at present: nothing is submitted, cancelled or concluded from absence. Endpoints stay
 * published as long as they themselves answer.
 */
export function decideHold(seen: Observation, why: string): Plan {
  const endpoints = (seen.resource.status.endpoints ?? []).map((endpoint) => refreshed(seen, endpoint));
  const { spec } = seen.resource;
  const ages = spec ? [...seen.probes.values()].map((probe) => answersForMs(probe, spec, seen.now)) : [];
  return {
    actions: [],
    status: summarizeHold(seen, endpoints, why),
    requeueAfterMs: soonest([seen.policy.tickMs, ...ages]),
    draft: undefined,
  };
}

function refreshed(seen: Observation, endpoint: Endpoint): Omit<Endpoint, 'since'> {
  const { spec } = seen.resource;
  // Probes are of this deployment's running jobs alone, so an id names one of them.
  const probe = [...seen.probes].find(([key]) => key.startsWith(`${endpoint.jobId}@`))?.[1];
  const ready = spec !== undefined && endpoint.role !== 'Draining' && answers(probe, spec, seen.now);
  return { ...endpoint, ready, role: ready ? 'Serving' : endpoint.role };
}
