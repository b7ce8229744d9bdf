import type { Resource } from '../api/resource.ts';
import type { SecretProblem } from '../decide/observation.ts';
import type { WantedEndpoint } from '../decide/questions.ts';
import { readSecretFileName, type SecretToPlace, secretsOf } from '../launch/secrets.ts';
import type { ProbeMemory, ProbeTarget } from '../probe/prober.ts';
import { err, ok, type Result } from '../result.ts';
import type { Deps } from './deps.ts';

type Ports = Pick<Deps, 'secrets' | 'secretFiles'>;

/** Which secrets of the spec cannot be read at present. The values are let go of: only whoever places one needs it. */
export async function lackingSecrets(
  { key, spec, deletingSinceMs }: Resource,
  { secrets }: Ports,
): Promise<readonly SecretProblem[]> {
  if (!spec || deletingSinceMs !== undefined) return [];
  const asked = secretsOf(spec).map(async ({ field, source }): Promise<readonly SecretProblem[]> => {
    const read = await secrets.read(key.namespace, source);
    return read.ok ? [] : [{ field, ...read.error }];
  });
  return (await Promise.all(asked)).flat();
}

/** Where the job of one attempt will read them. @returns the first failure in words: then the job must not be submitted */
export async function placeSecrets(
  namespace: string,
  toPlace: readonly SecretToPlace[],
  { secrets, secretFiles }: Ports,
): Promise<Result<void, string>> {
  for (const { field, source, file } of toPlace) {
    const read = await secrets.read(namespace, source);
    if (!read.ok) return err(`${field}: ${read.error.message}`);
    const written = await secretFiles.write(file, read.value);
    if (!written.ok) return err(`${field} cannot be placed: ${written.error}`);
  }
  return ok(undefined);
}

export type KeyedTargets = {
  readonly targets: readonly ProbeTarget[];
  /** By target id: endpoints that cannot be asked, because nobody knows the key they were started with. */
  readonly unasked: ReadonlyMap<string, ProbeMemory>;
};

/**
 * Each endpoint is asked with the key its own job was started with, whatever the source holds by now. Where that is not
 * known it is not asked: a refusal would look like a dead engine, and it may serve others well.
 */
export async function withKeys(
  { key, spec }: Resource,
  wanted: readonly WantedEndpoint[],
  { secrets, secretFiles }: Ports,
): Promise<KeyedTargets> {
  async function keyOf(its: WantedEndpoint['key']): Promise<Result<string | undefined, string>> {
    if (its === 'none') return ok(undefined);
    const placed = await secretFiles.read(its.file);
    if (!placed.ok || placed.value !== undefined) return placed;
    const source = spec?.endpoint.apiKeyFrom;
    if (!source) return ok(undefined);
    const read = await secrets.read(key.namespace, source);
    if (read.ok || !its.certain) return ok(read.ok ? read.value : undefined);
    return err(`spec.endpoint.apiKeyFrom: ${read.error.message}`);
  }

  const targets: ProbeTarget[] = [];
  const unasked = new Map<string, ProbeMemory>();
  for (const { key: its, ...target } of wanted) {
    const found = await keyOf(its);
    if (found.ok) targets.push({ ...target, ...(found.value !== undefined && { apiKey: found.value }) });
    else
      unasked.set(target.id, {
        lastOkMs: undefined,
        failures: 0,
        lastError: `it is not asked, its key cannot be read (${found.error})`,
      });
  }
  return { targets, unasked };
}

/** The last job is gone: so are its secrets. What cannot be removed now is the sweep's. */
export async function forgetSecrets(resource: Resource, { secretFiles, log }: Deps): Promise<void> {
  const names = await secretFiles.names();
  if (!names.ok) {
    log.warn({ deployment: resource.key.name, error: names.error }, 'secret files are not removed yet; a sweep will');
    return;
  }
  for (const file of names.value.filter((name) => readSecretFileName(name)?.uid === resource.uid)) {
    const removed = await secretFiles.remove(file);
    if (!removed.ok) log.warn({ file, error: removed.error }, 'a secret file is not removed yet; a sweep will');
  }
}
