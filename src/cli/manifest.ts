import { stringify } from 'yaml';
import { API_VERSION, KIND, type Resource } from '../api/resource.ts';
import { rfc3339 } from '../api/time.ts';

/** A resource as the Kubernetes API would show it: what `-o json` and `-o yaml` print, and jq expects. */
export function manifestOf(resource: Resource): Readonly<Record<string, unknown>> {
  const { key, annotations, finalizers, deletingSinceMs } = resource;
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: {
      name: key.name,
      namespace: key.namespace,
      uid: resource.uid,
      generation: resource.generation,
      resourceVersion: resource.version,
      creationTimestamp: rfc3339(resource.createdMs),
      ...(deletingSinceMs !== undefined && { deletionTimestamp: rfc3339(deletingSinceMs) }),
      ...(finalizers.length > 0 && { finalizers }),
      ...(Object.keys(annotations).length > 0 && { annotations }),
    },
    ...(resource.spec && { spec: resource.spec }),
    status: resource.status,
  };
}

export function listOf(resources: readonly Resource[]): Readonly<Record<string, unknown>> {
  return { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items: resources.map(manifestOf) };
}

/** @param shape `yaml` or `json`, as kubectl lays them out */
export function printed(manifest: Readonly<Record<string, unknown>>, shape: 'json' | 'yaml'): string {
  return shape === 'json'
    ? `${JSON.stringify(manifest, undefined, 4)}\n`
    : stringify(manifest, { aliasDuplicateObjects: false, lineWidth: 0 });
}
