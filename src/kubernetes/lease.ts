import { z } from 'zod';
import type { Clock } from '../clock.ts';
import type { LeaseError, LeasePort, LeaseRecord } from '../lease/lease.ts';
import { err, ok, type Result } from '../result.ts';
import { type ApiError, FIELD_MANAGER, isConflict, isNotFound, type KubernetesApi } from './api.ts';
import { microTime } from './micro-time.ts';

export type LeaseOptions = {
  readonly api: KubernetesApi;
  readonly namespace: string;
  readonly name: string;
  /** Wall time, for people who look at the lease: nothing is decided by it. */
  readonly clock: Clock;
  /** Of a call: well below the time in which the lease has to be renewed. */
  readonly timeoutMs: number;
};

const Lease = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  spec: z
    .object({
      holderIdentity: z.string().nullish(),
      leaseDurationSeconds: z.number().nullish(),
      acquireTime: z.string().nullish(),
      leaseTransitions: z.number().nullish(),
    })
    .default({}),
});
type Lease = z.output<typeof Lease>;

/** A `coordination.k8s.io/v1` Lease, as every component of Kubernetes uses it. */
export function createKubernetesLease({ api, namespace, name, clock, timeoutMs }: LeaseOptions): LeasePort {
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;
  const path = `${collection}/${encodeURIComponent(name)}`;
  /** What else is in the record, to be written back. */
  let last: Lease | undefined;

  function taken(answer: Result<unknown, ApiError>): Result<LeaseRecord, LeaseError> {
    if (!answer.ok) return err(leaseError(answer.error));
    const parsed = Lease.safeParse(answer.value);
    if (!parsed.success) return err({ kind: 'unavailable', message: `this is no Lease: ${parsed.error.message}` });
    last = parsed.data;
    const { holderIdentity, leaseDurationSeconds } = last.spec;
    return ok({
      version: last.metadata.resourceVersion,
      holder: holderIdentity ?? '',
      durationMs: leaseDurationSeconds ? leaseDurationSeconds * 1000 : undefined,
    });
  }

  return {
    async read() {
      const answer = await api.request({ method: 'GET', path, timeoutMs });
      return !answer.ok && isNotFound(answer.error) ? ok(undefined) : taken(answer);
    },
    async write(seen, { holder, durationMs }) {
      const before = seen?.version === last?.metadata.resourceVersion ? last?.spec : undefined;
      const now = microTime(clock.now());
      const renewed = before?.holderIdentity === holder;
      const body = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name, namespace, ...(seen && { resourceVersion: seen.version }) },
        spec: {
          holderIdentity: holder,
          leaseDurationSeconds: Math.max(1, Math.round(durationMs / 1000)),
          acquireTime: (renewed ? before?.acquireTime : undefined) ?? now,
          renewTime: now,
          leaseTransitions: (before?.leaseTransitions ?? 0) + (renewed || holder === '' ? 0 : 1),
        },
      };
      const query = { fieldManager: FIELD_MANAGER };
      return taken(
        await api.request(
          seen
            ? { method: 'PUT', path, query, body, timeoutMs }
            : { method: 'POST', path: collection, query, body, timeoutMs },
        ),
      );
    },
  };
}

function leaseError(error: ApiError): LeaseError {
  const lost = isConflict(error) || isNotFound(error);
  return { kind: lost ? 'conflict' : 'unavailable', message: error.message };
}
