import type { Clock } from '../../clock.ts';
import type { TenancyRules } from '../../controller/deps.ts';
import { ok, type Result } from '../../result.ts';
import { parseTenancy, readTenancyText, type TenancyPlace } from './tenancy.ts';

export type FollowedTenancy = TenancyRules & {
  /** What is wrong with the file as it is now, while an earlier version counts; undefined: it counts itself. */
  trouble(): string | undefined;
  close(): void;
};

export type FollowOptions = {
  readonly clock: Clock;
  info(message: string): void;
  warn(message: string): void;
};

/** Looked at, not listened to: a mounted ConfigMap changes by a link to a link, and network file systems lose notices. */
const LOOK_MS = 5_000;

/**
 * The rules as their file has them, read again when it changes. A version that cannot be used changes nothing: the last
 * good one counts on, and the log says so once. One is used when two looks have found it the same, for an editor may be
 * in the middle of writing it.
 * @returns an error when there is no good version to begin with: without rules everything would be allowed
 */
export function followTenancy(
  place: TenancyPlace,
  { clock, info, warn }: FollowOptions,
): Result<FollowedTenancy, string> {
  const first = readTenancyText(place.file);
  if (!first.ok) return first;
  const begun = parseTenancy(first.value, place);
  if (!begun.ok) return begun;
  let rules = begun.value;
  /** What was last judged, and what the last look found: a text, or why there is none. */
  let judged: Result<string, string> = first;
  let found: Result<string, string> = first;
  let trouble: string | undefined;
  const notices = new Set<() => void>();
  let withdraw = clock.after(LOOK_MS, look);

  function look(): void {
    withdraw = clock.after(LOOK_MS, look);
    const before = found;
    found = readTenancyText(place.file);
    if (isSame(found, before) && !isSame(found, judged)) judge(found);
  }

  function judge(now: Result<string, string>): void {
    judged = now;
    const read = now.ok ? parseTenancy(now.value, place) : now;
    trouble = read.ok ? undefined : read.error;
    if (!read.ok) {
      warn(`the rules for namespaces are left as they were, for their file cannot be used: ${read.error}`);
      return;
    }
    rules = read.value;
    info(`the rules for namespaces have changed: ${rules.rules.length} count on ${place.cluster}`);
    for (const notice of notices) notice();
  }

  return ok({
    current: () => rules,
    onChange(notice) {
      notices.add(notice);
      return () => void notices.delete(notice);
    },
    trouble: () => trouble,
    close: () => withdraw(),
  });
}

const textOf = (read: Result<string, string>): string => (read.ok ? read.value : read.error);
const isSame = (one: Result<string, string>, other: Result<string, string>): boolean =>
  one.ok === other.ok && textOf(one) === textOf(other);
