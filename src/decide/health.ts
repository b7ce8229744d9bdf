import type { Spec } from '../api/spec.ts';
import { allowedPorts } from '../launch/ports.ts';
import { jobKey } from '../slurm/job.ts';
import type { Observation, OwnJob } from './observation.ts';

/** Where a running job's endpoint is, once its claim is checked: a job is listened to, not trusted. */
export type EndpointClaim =
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'at'; readonly node: string; readonly port: number; readonly url: string };

export function endpointOf(job: OwnJob, spec: Spec, seen: Pick<Observation, 'nodeAddresses' | 'site'>): EndpointClaim {
  const { node, port } = job.report;
  if (job.phase !== 'running' || node === undefined || port === undefined) return { kind: 'none' };
  if (!job.nodes.includes(node)) {
    return {
      kind: 'refused',
      why: `job ${job.id} reports node ${node}, which is not in its allocation (${job.nodes.join(',')})`,
    };
  }
  const range = allowedPorts(spec, seen.site);
  if (port < range.low || port > range.high) {
    return { kind: 'refused', why: `job ${job.id} reports port ${port}, outside ${range.low}-${range.high}` };
  }
  const address = seen.nodeAddresses.get(node) ?? node;
  return { kind: 'at', node, port, url: `http://${address.includes(':') ? `[${address}]` : address}:${port}` };
}

export type Health =
  /** Answered within `periodSeconds × failureThreshold`: one slow answer is no fault. */
  | { readonly kind: 'ready' }
  /** Never answered yet. */
  | { readonly kind: 'starting' }
  /** Answered once, does not now; not yet given up. */
  | { readonly kind: 'failing'; readonly why: string }
  | { readonly kind: 'unresponsive'; readonly why: string }
  | { readonly kind: 'overdue'; readonly why: string };

/**
 * @param servedBefore the job answered at some time: by the status on record or by its own word
 */
export function healthOf(
  job: OwnJob & { readonly phase: 'running' },
  spec: Spec,
  seen: Pick<Observation, 'now' | 'probes' | 'policy' | 'networkSuspect'>,
  servedBefore: boolean,
): Health {
  const probe = seen.probes.get(jobKey(job));
  const { periodSeconds, failureThreshold } = spec.probes.liveness;
  const windowMs = periodSeconds * failureThreshold * 1000;
  const lastError = probe?.lastError ?? 'it has not been asked yet';
  if (probe?.lastOkMs !== undefined && seen.now - probe.lastOkMs < windowMs) {
    return { kind: 'ready' };
  }
  if (servedBefore || probe?.lastOkMs !== undefined) {
    const silentMs =
      probe?.lastOkMs !== undefined ? seen.now - probe.lastOkMs : (probe?.failures ?? 0) * periodSeconds * 1000;
    const givenUp =
      (probe?.failures ?? 0) >= failureThreshold && silentMs >= Math.max(windowMs, seen.policy.unresponsiveGraceMs);
    return givenUp && !seen.networkSuspect
      ? { kind: 'unresponsive', why: lastError }
      : { kind: 'failing', why: lastError };
  }
  const deadlineMs = job.startMs + spec.probes.startup.timeoutSeconds * 1000 + seen.policy.startupSlackMs;
  return seen.now >= deadlineMs ? { kind: 'overdue', why: lastError } : { kind: 'starting' };
}
