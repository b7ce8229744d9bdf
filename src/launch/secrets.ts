import type { SecretSource, Spec } from '../api/spec.ts';
import { type Identity, jobName, readJobName } from '../slurm/identity.ts';
import type { LaunchInput } from './script.ts';
import type { Site } from './site.ts';

type SecretKind = 'hf-token' | 'api-key';

/** A secret the spec names, and the field that names it. */
export type WantedSecret = { readonly kind: SecretKind; readonly field: string; readonly source: SecretSource };

/** A secret one attempt is to find in a file of this name. */
export type SecretToPlace = WantedSecret & { readonly file: string };

/** Whose a file is: the attempt of a resource, not of whatever has its name later. */
export type SecretFileOf = Pick<Identity, 'namespace' | 'name' | 'replica' | 'attempt' | 'uid'>;

export function secretsOf({ model, endpoint }: Pick<Spec, 'model' | 'endpoint'>): readonly WantedSecret[] {
  return [
    ...(model.tokenFrom ? [{ kind: 'hf-token' as const, field: 'spec.model.tokenFrom', source: model.tokenFrom }] : []),
    ...(endpoint.apiKeyFrom
      ? [{ kind: 'api-key' as const, field: 'spec.endpoint.apiKeyFrom', source: endpoint.apiKeyFrom }]
      : []),
  ];
}

export function secretsToPlace(spec: Spec, of: SecretFileOf): readonly SecretToPlace[] {
  return secretsOf(spec).map((wanted) => ({ ...wanted, file: secretFileName(of, wanted.kind) }));
}

/** `vllm.<namespace>.<name>.r<replica>.a<attempt>.<uid>.<kind>`: no dots in its parts, so it reads back one way only. */
export function secretFileName(of: SecretFileOf, kind: SecretKind): string {
  return `${jobName(of)}.${of.uid}.${kind}`;
}

/** @returns undefined for a file that is not one of these */
export function readSecretFileName(file: string): SecretFileOf | undefined {
  const match = /^(.+)\.([-a-zA-Z0-9]{1,64})\.(?:hf-token|api-key)$/.exec(file);
  const job = readJobName(match?.[1] ?? '');
  return job && { ...job, uid: match?.[2] ?? '' };
}

/** Where the nodes read them: paths, for nothing else may stand in a script. */
export function secretPaths(
  secrets: readonly SecretToPlace[],
  owner: string,
  { secretDirectory }: Pick<Site, 'secretDirectory'>,
): NonNullable<LaunchInput['secretFiles']> {
  const names = { 'hf-token': 'hfToken', 'api-key': 'apiKey' } as const;
  return Object.fromEntries(secrets.map(({ kind, file }) => [names[kind], `${secretDirectory}/${owner}/${file}`]));
}
