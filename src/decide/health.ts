import type { Spec } from '../api/spec.ts';
import type { Endpoint } from '../api/status.ts';
import { allowedPorts } from '../launch/ports.ts';
import type { ProbeMemory } from '../probe/prober.ts';
import { jobKey } from '../slurm/job.ts';
import type { Observation, OwnJob } from './observation.ts';

/** Where a running job's endpoint is, once its claim is checked: a job is listened to, not trusted. */
export type EndpointClaim =
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'at'; readonly node: string; readonly port: number; readonly url: string };

/** @param published endpoints on record: an edit of the range makes none of them a lie */
export function endpointOf(
  job: OwnJob,
  spec: Spec,
  seen: Pick<Observation, 'nodeAddresses' | 'site'>,
  published: readonly Endpoint[] = [],
): EndpointClaim {
  // A comment can be lost with slurmctld's last seconds; what was checked before is still true of the same job.
  const before = published.find((one) => one.jobId === job.id);
  const { node, port } = job.report.port === undefined && before ? before : job.report;
  if (job.phase !== 'running' || node === undefined || port === undefined) return { kind: 'none' };
  if (!job.nodes.includes(node)) {
    return {
      kind: 'refused',
      why: `job ${job.id} reports node ${node}, which is not in its allocation (${job.nodes.join(',')})`,
    };
  }
  const range = allowedPorts(spec, seen.site);
  const known = before?.node === node && before?.port === port;
  if (!known && (port < range.low || port > range.high)) {
    return { kind: 'refused', why: `job ${job.id} reports port ${port}, outside ${range.low}-${range.high}` };
  }
  // A node Slurm does not list, though it lists others, has only its name.
  const address = seen.nodeAddresses.get(node) ?? (seen.nodeAddresses.size > 0 ? node : undefined);
  if (address !== undefined) {
    return { kind: 'at', node, port, url: `http://${address.includes(':') ? `[${address}]` : address}:${port}` };
  }
  // Slurm has not said where the node is, this time.
  return known && before ? { kind: 'at', node, port, url: before.url } : { kind: 'none' };
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

/** @returns ms since it last answered as this job; undefined: never */
function silenceMs(probe: ProbeMemory | undefined, now: number): number | undefined {
  // A clock set back leaves answers in the future: they are no more believed than old ones.
  return probe?.lastOkMs === undefined ? undefined : Math.abs(now - probe.lastOkMs);
}

/** The whole of what Ready may rest on: answered within `periodSeconds × failureThreshold`. */
export function answers(probe: ProbeMemory | undefined, spec: Spec, now: number): boolean {
  return (silenceMs(probe, now) ?? Number.POSITIVE_INFINITY) < windowMsOf(spec);
}

export function windowMsOf({ probes: { liveness } }: Pick<Spec, 'probes'>): number {
  return liveness.periodSeconds * liveness.failureThreshold * 1000;
}

/** @returns ms since the job became ready by its own word; Infinity where it does not say when */
function readyForMs({ startMs, report }: OwnJob & { readonly phase: 'running' }, now: number): number {
  if (report.phase !== 'ready' || report.afterSeconds === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, now - startMs - report.afterSeconds * 1000);
}

/**
 * @param servedBefore the job answered at some time: by the status on record or by its own word
 */
export function healthOf(
  job: OwnJob & { readonly phase: 'running' },
  spec: Spec,
  seen: Pick<Observation, 'now' | 'probes' | 'policy' | 'networkSuspect' | 'slurm' | 'nodeAddresses'>,
  servedBefore: boolean,
): Health {
  const probe = seen.probes.get(jobKey(job));
  const { periodSeconds, failureThreshold } = spec.probes.liveness;
  const lastError = probe?.lastError ?? 'it has not been asked yet';
  if (answers(probe, spec, seen.now)) return { kind: 'ready' };
  const readyMs = readyForMs(job, seen.now);
  if (servedBefore || probe?.lastOkMs !== undefined) {
    // Of a job that never answered, the probes that failed while it loaded say nothing.
    const unheardMs = Math.min((probe?.failures ?? 0) * periodSeconds * 1000, readyMs);
    const silentMs = silenceMs(probe, seen.now) ?? unheardMs;
    if (probe?.lastOkMs === undefined && readyMs < windowMsOf(spec)) return { kind: 'starting' };
    const givenUp = (probe?.failures ?? 0) >= failureThreshold && silentMs >= patienceMs(spec, seen);
    return givenUp && !seen.networkSuspect
      ? { kind: 'unresponsive', why: lastError }
      : { kind: 'failing', why: lastError };
  }
  // Nobody could be asked: Slurm has not said where any node is.
  if (seen.nodeAddresses.size === 0) return { kind: 'starting' };
  const deadlineMs = job.startMs + spec.probes.startup.timeoutSeconds * 1000 + seen.policy.startupSlackMs;
  // A view from before the deadline may lack the comment that says where it answers.
  const viewMs = seen.slurm.known ? seen.slurm.value.askedAtMs : 0;
  if (Math.min(seen.now, viewMs) < deadlineMs) return { kind: 'starting' };
  // Where it is to be asked, it has to be asked often enough, on a way that is open.
  const isUnheard = probe === undefined || (probe.failures >= failureThreshold && !seen.networkSuspect);
  return isUnheard ? { kind: 'overdue', why: lastError } : { kind: 'starting' };
}

/** How long a job that has answered may be silent before it is given up, ms. */
function patienceMs(spec: Spec, { policy }: Pick<Observation, 'policy'>): number {
  return Math.max(windowMsOf(spec), policy.unresponsiveGraceMs);
}

/** @returns ms until it has been silent for too long; undefined when it has been already, or never answered */
export function unresponsiveInMs(
  probe: ProbeMemory | undefined,
  spec: Spec,
  seen: Pick<Observation, 'now' | 'policy'>,
): number | undefined {
  const silentMs = silenceMs(probe, seen.now);
  const leftMs = silentMs === undefined ? 0 : patienceMs(spec, seen) - silentMs;
  return leftMs > 0 ? leftMs : undefined;
}

/** @returns ms until the last answer is too old for Ready; undefined when it is already, or there is none */
export function answersForMs(probe: ProbeMemory | undefined, spec: Spec, now: number): number | undefined {
  return answers(probe, spec, now) ? windowMsOf(spec) - (silenceMs(probe, now) ?? 0) : undefined;
}
