import { z } from 'zod';
import type { Key } from '../api/key.ts';

/** A namespaced object as far as it is read; the rest is dropped on the way in. */
export const KubernetesObject = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    resourceVersion: z.string(),
    generation: z.int().default(1),
    creationTimestamp: z.string(),
    deletionTimestamp: z.string().optional(),
    finalizers: z.array(z.string()).default([]),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  spec: z.unknown().optional(),
  status: z.unknown().optional(),
});
export type KubernetesObject = z.output<typeof KubernetesObject>;

export const keyOfObject = ({ metadata: { namespace, name } }: KubernetesObject): Key => ({ namespace, name });

/**
 * Resource versions of one kind are decimal numbers that grow with each write, of any length
 * (Kubernetes API concepts, "Resource versions": comparable since 1.35, and so in every release before).
 */
export function isNewer(version: string, than: string): boolean {
  return version.length === than.length ? version > than : version.length > than.length;
}
