import { Gauge, type Registry } from 'prom-client';
import type { NamespaceCredentials } from '../../secrets/secrets.ts';

/** @returns the same port, listened to: when the tokens of namespaces end */
export function credentialMetrics(
  registers: Registry[],
): (cluster: string, credentials: NamespaceCredentials) => NamespaceCredentials {
  const ends = new Gauge({
    name: 'vllm_slurm_namespace_credentials_end_timestamp_seconds',
    help: 'When the token ends that a namespace was last known by; absent where there is none, or it has no end.',
    labelNames: ['cluster', 'namespace'],
    registers,
  });
  return (cluster, credentials) => ({
    ...credentials,
    async of(namespace) {
      const known = await credentials.of(namespace);
      const endsMs = known.ok ? known.value?.endsMs : undefined;
      const isGone = known.ok || (known.error.kind === 'missing' && known.error.isAbsent);
      if (endsMs !== undefined) ends.set({ cluster, namespace }, endsMs / 1000);
      // One that has ended goes on being told.
      else if (isGone) ends.remove({ cluster, namespace });
      return known;
    },
  });
}
