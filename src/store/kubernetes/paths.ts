import { PLURAL } from '../../api/crd.ts';
import type { Key } from '../../api/key.ts';
import { API_VERSION } from '../../api/resource.ts';

/** @param namespace empty: of all */
export function collectionPath(namespace: string): string {
  return namespace === ''
    ? `/apis/${API_VERSION}/${PLURAL}`
    : `/apis/${API_VERSION}/namespaces/${encodeURIComponent(namespace)}/${PLURAL}`;
}

export function objectPath({ namespace, name }: Key): string {
  return `${collectionPath(namespace)}/${encodeURIComponent(name)}`;
}
