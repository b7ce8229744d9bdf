import type { Endpoint } from '../api/status.ts';
import { jobKey } from '../slurm/job.ts';
import type { Observation } from './observation.ts';
import type { Plan } from './plan.ts';
import { summarizeHold } from './summary.ts';

/**
 * Slurm cannot be believed at present: nothing is submitted, cancelled or concluded from absence. Endpoints stay
 * published as long as they themselves answer.
 */
export function decideHold(seen: Observation, why: string): Plan {
  const endpoints = (seen.resource.status.endpoints ?? []).map((endpoint) => refreshed(seen, endpoint));
  return {
    actions: [],
    status: summarizeHold(seen, endpoints, why),
    requeueAfterMs: seen.policy.tickMs,
    draft: undefined,
  };
}

function refreshed(seen: Observation, endpoint: Endpoint): Omit<Endpoint, 'since'> {
  const spec = seen.resource.spec;
  const submitTime = seen.resource.status.jobs?.find((job) => job.jobId === endpoint.jobId)?.submitTime;
  const probe = seen.probes.get(jobKey({ id: endpoint.jobId, submitMs: Date.parse(submitTime ?? '') }));
  const windowMs = (spec?.probes.liveness.periodSeconds ?? 0) * (spec?.probes.liveness.failureThreshold ?? 0) * 1000;
  const ready = probe?.lastOkMs !== undefined && seen.now - probe.lastOkMs < windowMs && endpoint.role !== 'Draining';
  return { ...endpoint, ready, role: endpoint.role === 'Draining' ? 'Draining' : ready ? 'Serving' : 'Warming' };
}
