import { isDeepStrictEqual } from 'node:util';
import { type Key, keyText } from '../../api/key.ts';
import type { Resource, SpecProblem } from '../../api/resource.ts';
import { admit, annotate, type Held, revise } from '../revise.ts';
import type { StoreProblem } from '../store.ts';
import type { Claim, Reading } from './documents.ts';

/** A resource as this store holds it in memory. */
export type Entry = {
  readonly held: Held;
  /** The file that declares it, or did last. */
  readonly source: string;
  /** What keeps its file from being read at present. */
  readonly obstacles: readonly SpecProblem[];
};

export type MergeInput = {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly readings: ReadonlyMap<string, Reading>;
  /** Keys whose memory cannot be read: nothing is concluded about them. */
  readonly sealed: ReadonlySet<string>;
  /** Since when a key is declared nowhere; epoch, ms. */
  readonly missing: ReadonlyMap<string, number>;
  readonly nowMs: number;
  /** How long a key must be missing before it counts as removed: editors and git take files away and bring them back. */
  readonly graceMs: number;
  readonly newUid: () => string;
};

export type Merged = {
  /** New and changed ones, by key. */
  readonly changed: ReadonlyMap<string, Entry>;
  /** Somebody took them away, beyond doubt. */
  readonly removed: readonly Key[];
  readonly missing: ReadonlyMap<string, number>;
  readonly problems: readonly StoreProblem[];
};

/** What the files mean for what is known. Pure, and cheap when nothing changed. */
export function merge(input: MergeInput): Merged {
  const claims = claimsByKey(input.readings);
  const changed = new Map<string, Entry>();
  const missing = new Map<string, number>();
  const removed: Key[] = [];

  for (const [name, rivals] of claims) {
    if (input.sealed.has(name)) continue;
    const known = input.entries.get(name);
    const next = declaredBy(ownerOf(rivals, known), known, input);
    if (next !== known) changed.set(name, next);
  }

  for (const [name, known] of input.entries) {
    const { resource } = known.held;
    if (claims.has(name) || resource.deletingSinceMs !== undefined) continue;
    const doubt = doubtAbout(known, input.readings);
    if (doubt) {
      const next = withObstacles(known, [asSpecProblem(doubt)]);
      if (next !== known) changed.set(name, next);
      continue;
    }
    const sinceMs = input.missing.get(name) ?? input.nowMs;
    missing.set(name, sinceMs);
    if (input.nowMs - sinceMs >= input.graceMs) removed.push(resource.key);
  }

  return { changed, removed, missing, problems: rivalries(claims, input.entries) };
}

/** As others see it. */
export function viewOf({ held, obstacles }: Entry, version: string): Resource {
  return { ...held.resource, version, problems: [...held.resource.problems, ...obstacles] };
}

/** A claim and whether it is only remembered from before its file fell into doubt. */
type Standing = { readonly claim: Claim; readonly doubt: StoreProblem | undefined };

function claimsByKey(readings: ReadonlyMap<string, Reading>): ReadonlyMap<string, readonly Standing[]> {
  const all = new Map<string, Standing[]>();
  for (const { claims, kept, doubt } of readings.values()) {
    const standings = [
      ...claims.map((claim) => ({ claim, doubt: undefined })),
      ...kept.map((claim) => ({ claim, doubt })),
    ];
    for (const standing of standings) {
      const name = keyText(standing.claim.key);
      const rivals = all.get(name);
      if (rivals) rivals.push(standing);
      else all.set(name, [standing]);
    }
  }
  return all;
}

/** The file that declared a resource keeps it; among strangers the first in order of file name and line. */
function ownerOf(rivals: readonly Standing[], known: Entry | undefined): Standing {
  return (rivals.find(({ claim }) => claim.file === known?.source) ?? rivals[0]) as Standing;
}

function declaredBy({ claim, doubt }: Standing, known: Entry | undefined, input: MergeInput): Entry {
  const { declared, file, key } = claim;
  const obstacles = doubt ? [asSpecProblem(doubt)] : [];
  if (!known)
    return { held: admit(key, declared, { uid: input.newUid(), atMs: input.nowMs }), source: file, obstacles };
  const isDeleting = known.held.resource.deletingSinceMs !== undefined;
  // What comes back under the name of a resource on its way out is another one, and waits its turn.
  const held = isDeleting ? annotate(known.held, declared.annotations) : revise(known.held, declared);
  const moved = held === known.held && file === known.source ? known : { ...known, held, source: file };
  return withObstacles(moved, obstacles);
}

function withObstacles(entry: Entry, obstacles: readonly SpecProblem[]): Entry {
  return isDeepStrictEqual(entry.obstacles, obstacles) ? entry : { ...entry, obstacles };
}

/** Why a resource that no file declares may yet be declared by one. */
function doubtAbout({ held, source }: Entry, readings: ReadonlyMap<string, Reading>): StoreProblem | undefined {
  const own = readings.get(source)?.doubt;
  if (own) return own;
  for (const { doubt, mentions } of readings.values()) {
    if (doubt && mentions.has(held.resource.key.name)) return doubt;
  }
  return undefined;
}

function rivalries(
  claims: ReadonlyMap<string, readonly Standing[]>,
  entries: ReadonlyMap<string, Entry>,
): readonly StoreProblem[] {
  const found: StoreProblem[] = [];
  for (const [name, rivals] of claims) {
    if (rivals.length < 2) continue;
    const owner = ownerOf(rivals, entries.get(name)).claim;
    for (const { claim } of rivals) {
      if (claim === owner) continue;
      const place = `${owner.file}:${owner.line}`;
      found.push({
        file: claim.file,
        line: claim.line,
        message: `${name} is declared in ${place} already; this one is passed over`,
      });
    }
  }
  return found;
}

function asSpecProblem({ file, line, message }: StoreProblem): SpecProblem {
  return {
    field: '',
    message: `the last good text stays in force: ${message}`,
    file,
    ...(line !== undefined && { line }),
  };
}
