import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Catalog } from '../../api/catalog.ts';
import { type Key, keyText, sameKey } from '../../api/key.ts';
import { err, ok, type Result } from '../../result.ts';
import { canonicalJson } from '../revise.ts';
import type { StoreError } from '../store.ts';
import { decodeText } from './decode.ts';
import { type Claim, type Reading, readDocuments } from './documents.ts';
import { explainDisk, type FileFacts, type Files } from './files.ts';
import { createScanner } from './scan.ts';
import { withoutDocument, withReplicas } from './splice.ts';
import { writeWhole } from './write-whole.ts';

/**
 * Edits people's files as a careful person would: one place changed, all else as it was, never half-written. Needs no
 * lock, for people need none. `conflict`: somebody wrote at the same time, or it is not there. `unavailable`: the disk
 * refuses, or the text is such that only a person can tell what to change.
 */
export interface Editor {
  setReplicas(key: Key, replicas: number): Promise<Result<void, StoreError>>;
  /** Takes the resource's document away, and the file with the last of them. */
  remove(key: Key): Promise<Result<void, StoreError>>;
}

export type EditorOptions = {
  readonly directory: string;
  readonly files: Files;
  readonly maxFileBytes: number;
  readonly newId: () => string;
  readonly catalog: Catalog;
};

type Found = {
  readonly path: string;
  readonly text: string;
  /** The byte order mark it begins with, or ''. */
  readonly mark: string;
  readonly facts: FileFacts;
  readonly reading: Reading;
};

const BYTE_ORDER_MARK = '\uFEFF';

export function createEditor({ directory, files, maxFileBytes, newId, catalog }: EditorOptions): Editor {
  async function setReplicas(key: Key, replicas: number): Promise<Result<void, StoreError>> {
    return edit(key, async (found) => {
      const { text, reading } = found;
      const next = withReplicas(text, key, replicas);
      const changed = next === undefined ? undefined : readDocuments('', Buffer.from(next), catalog);
      const claim = changed?.claims.find((one) => sameKey(one.key, key));
      if (claim && !claim.declared.spec.ok) {
        const [problem] = claim.declared.spec.error;
        return err(unavailable(`${problem?.field}: ${problem?.message}`));
      }
      const wanted = reading.claims.map((one) => [
        one.key,
        sameKey(one.key, key) ? scaled(one, replicas) : one.declared.specText,
      ]);
      const got = changed?.claims.map((one) => [one.key, one.declared.specText]);
      if (next === undefined || !isDeepStrictEqual(got, wanted)) return err(byHand(found, 'set spec.replicas'));
      return write(found, next);
    });
  }

  async function remove(key: Key): Promise<Result<void, StoreError>> {
    return edit(key, async (found) => {
      const { text, reading } = found;
      const next = withoutDocument(text, key);
      if (next === '') return removeFile(found);
      const wanted = reading.claims
        .filter((one) => !sameKey(one.key, key))
        .map((one) => [one.key, one.declared.specText]);
      const left = next === undefined ? undefined : readDocuments('', Buffer.from(next), catalog).claims;
      const got = left?.map((one) => [one.key, one.declared.specText]);
      if (next === undefined || !isDeepStrictEqual(got, wanted)) return err(byHand(found, `remove ${keyText(key)}`));
      return write(found, next);
    });
  }

  async function edit(
    key: Key,
    change: (found: Found) => Promise<Result<void, StoreError>>,
  ): Promise<Result<void, StoreError>> {
    try {
      const found = await find(key);
      return found.ok ? await change(found.value) : found;
    } catch (error) {
      return err(unavailable(`${directory}: ${explainDisk(error)}`));
    }
  }

  async function find(key: Key): Promise<Result<Found, StoreError>> {
    const { readings } = await createScanner({ directory, files, maxFileBytes, catalog, settle: false })();
    const claims = [...readings.values()]
      .flatMap((reading) => reading.claims)
      .filter((claim) => sameKey(claim.key, key));
    const [claim, rival] = claims;
    if (!claim) {
      const doubt = [...readings.values()].find((reading) => reading.doubt && reading.mentions.has(key.name))?.doubt;
      if (doubt)
        return err(unavailable(`${doubt.file}${doubt.line === undefined ? '' : `:${doubt.line}`}: ${doubt.message}`));
      return err({ kind: 'conflict', message: `${keyText(key)} is declared in no file of ${directory}` });
    }
    if (rival) {
      const places = claims.map(({ file, line }) => `${file}:${line}`).join(' and ');
      return err(unavailable(`${keyText(key)} is declared more than once, in ${places}: remove all but one`));
    }
    const path = join(directory, claim.file);
    const { bytes, facts } = await files.read(path, maxFileBytes);
    const text = decodeText(claim.file, bytes);
    if (!text.ok) return err(unavailable(`${claim.file}: ${text.error.message}`));
    const mark = Buffer.from(bytes.subarray(0, 3)).equals(Buffer.from(BYTE_ORDER_MARK)) ? BYTE_ORDER_MARK : '';
    return ok({ path, text: text.value, mark, facts, reading: readDocuments(claim.file, bytes, catalog) });
  }

  async function write(found: Found, text: string): Promise<Result<void, StoreError>> {
    const { path, facts, mark } = found;
    if ((await files.facts(path)).fingerprint !== facts.fingerprint) return err(touched(found));
    // Through a symlink to the file itself, or the link would be replaced by a copy.
    await writeWhole(files, await files.realPath(path), mark + text, newId(), facts);
    return ok(undefined);
  }

  async function removeFile(found: Found): Promise<Result<void, StoreError>> {
    if ((await files.facts(found.path)).fingerprint !== found.facts.fingerprint) return err(touched(found));
    await files.unlink(found.path);
    await files.flushDirectory(directory);
    return ok(undefined);
  }

  return { setReplicas, remove };
}

function scaled({ declared }: Claim, replicas: number): string {
  return canonicalJson({ ...JSON.parse(declared.specText), replicas });
}

const unavailable = (message: string): StoreError => ({ kind: 'unavailable', message });
const byHand = ({ path }: Found, what: string) =>
  unavailable(`${path} is written in a way that leaves it to you to ${what}`);
const touched = ({ path }: Found): StoreError => ({
  kind: 'conflict',
  message: `${path} was changed at the same time: try again`,
});
