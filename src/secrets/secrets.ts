import type { SecretSource } from '../api/spec.ts';
import type { Result } from '../result.ts';
import type { Credentials } from '../slurm/slurm.ts';

export type SecretError =
  /** Asked and answered: it is not there, or it is nothing that can be used. Somebody has to provide it. */
  | {
      readonly kind: 'missing';
      readonly message: string;
      /** There is no such Secret at all, whatever its keys. */
      readonly isAbsent?: true;
    }
  /** Nobody could be asked: try again later. */
  | { readonly kind: 'unreachable'; readonly message: string };

/** Where secrets come from. Adapters: `standalone.ts`. No call throws; every call has a deadline and a size cap. */
export interface SecretReader {
  /**
   * The present value: one line of printable ASCII without blanks, fit for an HTTP header. No message holds any of it.
   * @param namespace of the deployment: a Secret is looked for there and nowhere else
   */
  read(namespace: string, source: SecretSource): Promise<Result<string, SecretError>>;
}

/**
 * Files that the compute nodes read secrets from, one a submitted attempt and kind; only our user can read them.
 * Adapters: `directory.ts`, `memory.ts`. No call throws; every call has a deadline. Errors are words for people.
 */
export interface SecretFiles {
  /** The file is there as a whole, on the disk, or as it was before. One of this name is replaced. */
  write(name: string, secret: string): Promise<Result<void, string>>;
  /** `undefined`: it is certainly not there. */
  read(name: string): Promise<Result<string | undefined, string>>;
  /** All there are, in no order. */
  names(): Promise<Result<readonly string[], string>>;
  /** One that is gone already is no error. */
  remove(name: string): Promise<Result<void, string>>;
}

/** Who a namespace is to SLURM at present. */
export type NamespaceUser = Credentials & {
  /** Where the token is from, in words. */
  readonly source: string;
  /** When it ends, epoch, ms, however far off; absent where it has no end. */
  readonly endsMs?: number;
  /** That is near enough to speak of. */
  readonly endsSoon: boolean;
};

/**
 * SLURM users of namespaces, by tokens that each namespace holds itself. Adapter: `slurm/rest/namespace-credentials.ts`.
 * No call throws; no message holds any of a token.
 */
export interface NamespaceCredentials {
  /** As whom new jobs are submitted; `undefined`: as the operator itself. */
  of(namespace: string): Promise<Result<NamespaceUser | undefined, SecretError>>;
  /** For jobs that this user has there already; `undefined`: nobody here is known as that user any more. */
  ofUser(namespace: string, user: string): Promise<Credentials | undefined>;
  /** Who it was when last read. */
  lastUser(namespace: string): string | undefined;
}
