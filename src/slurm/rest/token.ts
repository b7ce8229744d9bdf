import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { type Clock, withinMs } from '../../clock.ts';
import { err, ok, type Result } from '../../result.ts';

/** Who we are to slurmrestd, and until when. */
export type Token = {
  /** Sent in a header, and said to nobody. */
  readonly value: string;
  /** Whose jobs they are. */
  readonly user: string;
  /** Epoch, ms; undefined for one without an end. */
  readonly expiresAtMs?: number;
  /** From then on its end is near enough to speak of, epoch, ms. */
  readonly noticedFromMs?: number;
};

export type TokenFile = {
  /** The token as the file has it now. Slurm's own words for how to make one are in the error. */
  read(): Promise<Result<Token, string>>;
};

export type TokenFileOptions = {
  readonly file: string;
  readonly clock: Clock;
  /** Where the token does not name its user. */
  readonly user?: string;
  /** Lets a token of root or of SLURM's own user pass. */
  readonly privileged: boolean;
};

/** Users whose token could cancel everybody's jobs. SlurmUser may be called otherwise; Debian and SchedMD call it so. */
const PRIVILEGED = ['root', 'slurm'];
/** It is said to people, and stands in a status. */
const USER_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,62}\$?$/;
/** The last day of a long life, the last quarter of a short one: what renews it in time is never spoken of. */
const LONGEST_NOTICE_SECONDS = 86_400;
const NOTICED_PART = 4;
const LONGEST_BYTES = 16_384;
const READ_MS = 5_000;
const HOW = 'write a new one there: `scontrol token lifespan=SECONDS` prints it';

/** Source: `scontrol token`, auth/jwt: `exp` and `iat` in epoch seconds, `sun` the user. */
const Claims = z.looseObject({ exp: z.number().optional(), iat: z.number().optional(), sun: z.string().optional() });

/** Reads the file again whenever it is another one or has another time: it is rotated while we run. */
export function createTokenFile({ file, clock, user, privileged }: TokenFileOptions): TokenFile {
  const rules: TokenRules = {
    place: file,
    userFrom: 'cluster.rest.user',
    privileged,
    insist: 'cluster.rest.allowPrivilegedToken',
    ...(user !== undefined && { user }),
  };
  let kept: { readonly print: string; readonly token: Result<Token, string> } | undefined;

  /** One at a time: a file system that is silent shall hold one of Node's few threads, not all. */
  let looking: Promise<Result<Token, string>> | undefined;

  function fresh(): Promise<Result<Token, string>> {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  async function look(): Promise<Result<Token, string>> {
    try {
      const { ino, mtimeMs, size } = await stat(file);
      if (size > LONGEST_BYTES) return err(`${file} is too long for a token`);
      const print = `${ino} ${mtimeMs} ${size}`;
      if (kept?.print !== print) kept = { print, token: readToken(await readFile(file, 'utf8'), rules) };
      return kept.token;
    } catch (error) {
      return err(`the token cannot be read: ${error instanceof Error ? error.message : String(error)}; ${HOW}`);
    }
  }

  return {
    async read() {
      const token =
        (await withinMs(clock, READ_MS, fresh())) ?? err(`${file} cannot be read: its file system is silent`);
      return token.ok ? stillValid(token.value, file, clock.now()) : token;
    },
  };
}

/** @param place where it stands, in words */
export function stillValid(token: Token, place: string, nowMs: number): Result<Token, string> {
  if (token.expiresAtMs === undefined || token.expiresAtMs > nowMs) return ok(token);
  return err(`the token in ${place} expired at ${new Date(token.expiresAtMs).toISOString()}; ${HOW}`);
}

export type TokenRules = {
  /** Where it stands, in words. */
  readonly place: string;
  /** Whose it is, where it does not say so. */
  readonly user?: string;
  /** What gives `user`, in words. */
  readonly userFrom: string;
  /** Lets a token of root or of SLURM's own user pass. */
  readonly privileged: boolean;
  /** The setting that lets it, where there is one. */
  readonly insist?: string;
};

/** @param text what `scontrol token` prints, `SLURM_JWT=` before it or not. @returns errors without any of it */
export function readToken(
  text: string,
  { place, user: givenUser, userFrom, privileged, insist }: TokenRules,
): Result<Token, string> {
  const { value, claims } = parts(text);
  if (claims === undefined) return err(`${place} holds no JSON Web Token; ${HOW}`);
  if (!claims.success) return err(`the token in ${place} has no claims that can be read; ${HOW}`);
  const { exp, iat = 0, sun } = claims.data;
  const user = sun ?? givenUser;
  if (user === undefined) return err(`the token in ${place} does not say whose it is; set ${userFrom}`);
  if (givenUser !== undefined && user !== givenUser)
    return err(`the token in ${place} is ${user}'s, ${userFrom} is ${givenUser}`);
  if (!USER_NAME.test(user)) return err(`the token in ${place} names a user that no system has; ${HOW}`);
  if (PRIVILEGED.includes(user) && !privileged)
    return err(
      `the token in ${place} is ${user}'s, who could end everybody's jobs: use one of an ordinary user${insist === undefined ? '' : `, or set ${insist}`}`,
    );
  if (exp === undefined) return ok({ value, user });
  const noticeSeconds = Math.min(LONGEST_NOTICE_SECONDS, Math.max(0, exp - iat) / NOTICED_PART);
  return ok({ value, user, expiresAtMs: exp * 1000, noticedFromMs: (exp - noticeSeconds) * 1000 });
}

/** Whether nobody else has to say whose it is. */
export function namesItsUser(text: string): boolean {
  const { claims } = parts(text);
  return claims?.success === true && claims.data.sun !== undefined;
}

function parts(text: string) {
  const value = text.trim().replace(/^(?:export )?SLURM_JWT=/, '');
  const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(value) ?? [];
  return { value, claims: payload === undefined ? undefined : Claims.safeParse(decoded(payload)) };
}

function decoded(payload: string): unknown {
  try {
    return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
