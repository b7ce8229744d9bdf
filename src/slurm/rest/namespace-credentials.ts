import type { Clock } from '../../clock.ts';
import { err, ok, type Result } from '../../result.ts';
import type { NamespaceCredentials, NamespaceUser, SecretError, SecretReader } from '../../secrets/secrets.ts';
import { namesItsUser, readToken, stillValid, type Token } from './token.ts';

export type NamespaceCredentialsOptions = {
  /** Of the Secret that each namespace may hold, with `token` and, where that does not say whose it is, `user`. */
  readonly secretName: string;
  /** Whether a namespace without it may have nothing submitted; else that is the operator's own. */
  readonly required: boolean;
  readonly secrets: SecretReader;
  readonly clock: Clock;
};

/** Turns come in bursts: one look serves all of a moment. */
const FRESH_MS = 5_000;
const MOST_KEPT = 1_000;

type Read = Result<Token, SecretError>;

export function createNamespaceCredentials(options: NamespaceCredentialsOptions): NamespaceCredentials {
  const { secretName, required, secrets, clock } = options;
  const looks = new Map<string, { readonly atMs: number; readonly read: Promise<Read> }>();
  const users = new Map<string, string>();
  /** By namespace and user: what was once submitted can be ended although the Secret is another's by now, or gone. */
  const tokens = new Map<string, Token>();
  const placeOf = (namespace: string): string => `Secret ${namespace}/${secretName}`;

  async function look(namespace: string): Promise<Read> {
    const keyOf = (key: string) => secrets.read(namespace, { secretKeyRef: { name: secretName, key } });
    const text = await keyOf('token');
    if (!text.ok) return err(withAdvice(text.error));
    const given = namesItsUser(text.value) ? undefined : await keyOf('user');
    if (given?.ok === false && given.error.kind === 'unreachable') return given;
    const place = placeOf(namespace);
    const token = readToken(text.value, {
      place,
      userFrom: `user in ${place}`,
      privileged: false,
      ...(given?.ok && { user: given.value }),
    });
    if (!token.ok) return err({ kind: 'missing', message: token.error });
    keep(users, namespace, token.value.user);
    keep(tokens, nameOf(namespace, token.value.user), token.value);
    return token;
  }

  function fresh(namespace: string): Promise<Read> {
    const known = looks.get(namespace);
    const atMs = clock.now();
    if (known && Math.abs(atMs - known.atMs) < FRESH_MS) return known.read;
    const read = look(namespace);
    keep(looks, namespace, { atMs, read });
    return read;
  }

  return {
    async of(namespace) {
      return submitsAs(await fresh(namespace), { source: placeOf(namespace), required, nowMs: clock.now() });
    },
    async ofUser(namespace, user) {
      await fresh(namespace);
      const token = tokens.get(nameOf(namespace, user));
      return token && stillValid(token, '', clock.now()).ok ? { user, token: token.value } : undefined;
    },
    lastUser: (namespace) => users.get(namespace),
  };
}

/** Who a namespace is to SLURM. Only one that has no Secret at all may be the operator itself. */
export function submitsAs(
  read: Read,
  { source, required, nowMs }: { readonly source: string; readonly required: boolean; readonly nowMs: number },
): Result<NamespaceUser | undefined, SecretError> {
  if (!read.ok) return read.error.kind === 'missing' && read.error.isAbsent && !required ? ok(undefined) : read;
  const valid = stillValid(read.value, source, nowMs);
  if (!valid.ok) return err({ kind: 'missing', message: valid.error });
  const { user, value, expiresAtMs, noticedFromMs = Number.POSITIVE_INFINITY } = valid.value;
  return ok({
    user,
    token: value,
    source,
    endsSoon: nowMs >= noticedFromMs,
    ...(expiresAtMs !== undefined && { endsMs: expiresAtMs }),
  });
}

const withAdvice = (error: SecretError): SecretError =>
  error.kind === 'missing' ? { ...error, message: `${error.message}; ${WANTED}` } : error;
const WANTED =
  'its key token is to hold what `scontrol token lifespan=SECONDS` prints for the SLURM user whose jobs they shall be';

const nameOf = (namespace: string, user: string): string => `${namespace}/${user}`;

function keep<T>(kept: Map<string, T>, name: string, value: T): void {
  kept.delete(name);
  kept.set(name, value);
  const [oldest] = kept.keys();
  if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest);
}
