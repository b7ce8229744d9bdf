import type { Key } from '../../api/key.ts';
import { DNS_LABEL } from '../../api/spec.ts';

/**
 * Whose a file in the directory is, told by its name alone.
 * `*.yaml` and `*.yml` are people's, `NAME.status.yaml` and everything that begins with `.vllm-slurm` is the store's.
 */
export const STORE_ID_FILE = '.vllm-slurm.yaml';
export const LOCK_FILE = '.vllm-slurm.lock';

const OWN_PREFIX = '.vllm-slurm';
const STATUS_SUFFIX = '.status.yaml';
const DEFAULT_NAMESPACE = 'default';

export function statusFileName({ namespace, name }: Key): string {
  return namespace === DEFAULT_NAMESPACE ? `${name}${STATUS_SUFFIX}` : `${namespace}.${name}${STATUS_SUFFIX}`;
}

/** @returns undefined for a name no resource has, such as `a.b.c.status.yaml` */
export function statusFileKey(file: string): Key | undefined {
  const parts = file.slice(0, -STATUS_SUFFIX.length).split('.');
  const [first = '', second] = parts;
  const key = second === undefined ? { namespace: DEFAULT_NAMESPACE, name: first } : { namespace: first, name: second };
  const isKey = parts.length <= 2 && parts.every((part) => DNS_LABEL.test(part));
  return isKey && statusFileName(key) === file ? key : undefined;
}

export const isStatusFile = (file: string): boolean => file.endsWith(STATUS_SUFFIX) && !file.startsWith('.');

/** Files beginning with a dot are left alone: editors' swap and lock files, and the `..data` of a mounted ConfigMap. */
export const isPersonsFile = (file: string): boolean =>
  /\.ya?ml$/.test(file) && !file.startsWith('.') && !isStatusFile(file);

/** A notice about one of these may be the echo of our own write. */
export const isOwnFile = (file: string): boolean => isStatusFile(file) || file.startsWith(OWN_PREFIX);

export const temporaryName = (id: string): string => `${OWN_PREFIX}.${id}.tmp`;
export const isTemporary = (file: string): boolean => file.startsWith(`${OWN_PREFIX}.`) && file.endsWith('.tmp');
