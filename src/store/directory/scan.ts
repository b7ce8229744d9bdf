import { join } from 'node:path';
import type { Catalog } from '../../api/catalog.ts';
import { keyText } from '../../api/key.ts';
import type { StoreProblem } from '../store.ts';
import { abreast } from './abreast.ts';
import { type Reading, readDocuments, unreadable } from './documents.ts';
import { codeOf, explainDisk, type FileFacts, type Files } from './files.ts';
import { isPersonsFile, isStatusFile } from './names.ts';

export type ScanOptions = {
  readonly directory: string;
  readonly files: Files;
  readonly maxFileBytes: number;
  readonly catalog: Catalog;
  /** A changed file is read once it is seen unchanged by a second scan: a writer may be at work. */
  readonly settle: boolean;
};

export type Scan = {
  /** By file name, sorted. */
  readonly readings: ReadonlyMap<string, Reading>;
  readonly statusFiles: ReadonlySet<string>;
  readonly changed: boolean;
  /** Some file waits for a second look. */
  readonly unsettled: boolean;
};

type Known = {
  readonly fingerprint: string;
  readonly reading: Reading;
  /** The disk refused it: tried again every time, for nothing about the file need change when the disk recovers. */
  readonly refused: boolean;
};
/** `undefined`: it is not there any more, or was never anything to read. */
type Look = { readonly fingerprint: string } | { readonly problem: StoreProblem } | undefined;

/** Looks at a directory again and again; an unchanged file costs one `stat`. Throws when the directory cannot be listed. */
export function createScanner({ directory, files, maxFileBytes, catalog, settle }: ScanOptions): () => Promise<Scan> {
  let known: ReadonlyMap<string, Known> = new Map();
  let waiting: ReadonlyMap<string, string> = new Map();

  return async () => {
    const names = await files.names(directory);
    const persons = names.filter(isPersonsFile).sort();
    const now = new Map<string, Known>();
    const unsettled = new Map<string, string>();

    await abreast(persons, async (file) => {
      const before = known.get(file);
      const look = await lookAt(file);
      if (look === undefined) return;
      if ('problem' in look) {
        now.set(file, keep(before, refusal('', look.problem)));
        return;
      }
      const { fingerprint } = look;
      const sameAsRead = fingerprint === before?.fingerprint;
      if (sameAsRead && !before?.refused) {
        now.set(file, before as Known);
        return;
      }
      const settled = !settle || sameAsRead || waiting.get(file) === fingerprint;
      const read = settled ? await readFrom(file, fingerprint) : undefined;
      const isStill = !settle || read?.fingerprint === fingerprint;
      if (read && isStill) now.set(file, keep(before, read));
      else if (read || !settled) {
        unsettled.set(file, read?.fingerprint ?? fingerprint);
        if (before) now.set(file, before);
      }
    });

    const changed = now.size !== known.size || [...now].some(([file, entry]) => known.get(file) !== entry);
    waiting = unsettled;
    known = now;
    return {
      readings: new Map(persons.flatMap((file) => readingOf(now, file))),
      statusFiles: new Set(names.filter(isStatusFile)),
      changed,
      unsettled: unsettled.size > 0,
    };
  };

  async function lookAt(file: string): Promise<Look> {
    const path = join(directory, file);
    try {
      return judge(file, await files.facts(path));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') return { problem: { file, message: `cannot be read: ${explainDisk(error)}` } };
      const isLink = await files.isLink(path).catch(() => false);
      return isLink ? { problem: { file, message: 'is a symlink to nothing' } } : undefined;
    }
  }

  function judge(file: string, { kind, size, fingerprint }: FileFacts): Look {
    if (kind === 'directory') return undefined;
    if (kind === 'other') return { problem: { file, message: 'is no regular file' } };
    if (size > maxFileBytes) return { problem: { file, message: tooLarge(size) } };
    return { fingerprint };
  }

  /** @param fingerprint as just seen; the answer has the one of the bytes that were read */
  async function readFrom(file: string, fingerprint: string): Promise<Known | undefined> {
    try {
      const { bytes, facts } = await files.read(join(directory, file), maxFileBytes);
      if (bytes.length > maxFileBytes) return refusal(facts.fingerprint, { file, message: tooLarge(facts.size) });
      return { fingerprint: facts.fingerprint, reading: readDocuments(file, bytes, catalog), refused: false };
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      return refusal(fingerprint, { file, message: `cannot be read: ${explainDisk(error)}` });
    }
  }

  function tooLarge(size: number): string {
    return `is too large: ${size} bytes, at most ${maxFileBytes} are read`;
  }
}

function refusal(fingerprint: string, problem: StoreProblem): Known {
  return { fingerprint, reading: unreadable(problem), refused: true };
}

/** A reading in doubt keeps what the file held before; the same refusal again is no change. */
function keep(before: Known | undefined, now: Known): Known {
  const { doubt } = now.reading;
  if (!before || !doubt) return now;
  if (before.refused && now.refused && before.reading.doubt?.message === doubt.message) return before;
  const told = new Set(now.reading.claims.map((claim) => keyText(claim.key)));
  const { claims, kept: keptBefore } = before.reading;
  const kept = [...claims, ...keptBefore].filter((claim) => !told.has(keyText(claim.key)));
  return { ...now, reading: { ...now.reading, kept } };
}

function readingOf(now: ReadonlyMap<string, Known>, file: string): readonly (readonly [string, Reading])[] {
  const entry = now.get(file);
  return entry ? [[file, entry.reading]] : [];
}
