import { z } from 'zod';
import { isNotFound, type KubernetesApi } from '../kubernetes/api.ts';
import { err } from '../result.ts';
import type { SecretReader } from './secrets.ts';
import { missing, secretValue, unreachable } from './value.ts';

/** Only the keys are read that somebody asked for; what else a Secret holds is not kept. */
const Secret = z.object({ data: z.record(z.string(), z.string()).default({}) });

/**
 * Kubernetes Secrets of the deployment's own namespace. The operator's own environment and files are not the users' to
 * name here: whoever may write a deployment would read them.
 */
export function createKubernetesSecrets(api: Pick<KubernetesApi, 'request'>): SecretReader {
  return {
    async read(namespace, { secretKeyRef }) {
      if (!secretKeyRef)
        return err(
          missing(
            'env and file are of the operator’s machine, and not for those who use it by Kubernetes: use secretKeyRef',
          ),
        );
      const { name, key } = secretKeyRef;
      const place = `key ${key} of Secret ${namespace}/${name}`;
      const answer = await api.request({
        method: 'GET',
        path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets/${encodeURIComponent(name)}`,
      });
      if (!answer.ok) {
        const { error } = answer;
        if (error.kind !== 'refused') return err(unreachable(`${place} cannot be read: ${error.message}`));
        if (isNotFound(error)) return err({ ...missing(`there is no Secret ${namespace}/${name}`), isAbsent: true });
        return err(missing(`the operator may not read Secret ${namespace}/${name}: ${error.message}`));
      }
      const parsed = Secret.safeParse(answer.value);
      const encoded = parsed.success && Object.hasOwn(parsed.data.data, key) ? parsed.data.data[key] : undefined;
      if (encoded === undefined) return err(missing(`there is no key ${key} in Secret ${namespace}/${name}`));
      return secretValue(Buffer.from(encoded, 'base64').toString('utf8'), place);
    },
  };
}
