import { join } from 'node:path';
import { type Catalog, EMPTY_CATALOG } from '../../api/catalog.ts';
import { keyText } from '../../api/key.ts';
import type { Resource } from '../../api/resource.ts';
import { type Clock, systemClock } from '../../clock.ts';
import { err, ok, type Result } from '../../result.ts';
import type { Store, StoreError, StoreProblem } from '../store.ts';
import { abreast } from './abreast.ts';
import { createEditor, type Editor } from './edit.ts';
import { explainDisk } from './files.ts';
import { sealError } from './ledger.ts';
import { type Entry, merge, viewOf } from './merge.ts';
import { STORE_ID_FILE, statusFileKey } from './names.ts';
import { readRecord } from './read-record.ts';
import type { Recorded } from './record.ts';
import { createScanner } from './scan.ts';
import { DIRECTORY_DEFAULTS } from './store.ts';
import { readStoreId } from './store-id.ts';

/** A directory as commands see it, beside a controller at work or without one. */
export interface Reader extends Pick<Store, 'list' | 'get' | 'problems'>, Editor {}

type View = {
  readonly resources: ReadonlyMap<string, Resource>;
  readonly sealed: ReadonlyMap<string, StoreProblem>;
};
type Known = { readonly fingerprint: string; readonly record: Result<Recorded, StoreProblem> };

/**
 * Takes no lock and makes nothing; each `list` and `get` looks at the disk. What the controller has not seen yet is
 * shown as it will be, with an empty uid; what it has not marked as deleted is not deleted yet.
 */
export async function openDirectory(
  directory: string,
  clock: Clock = systemClock,
  catalog: Catalog = EMPTY_CATALOG,
): Promise<Result<Reader, StoreError>> {
  const settings = { ...DIRECTORY_DEFAULTS, directory, catalog };
  const { files } = settings;
  const found = await readStoreId(files, directory);
  if (!found.ok) return found;
  if (found.value === undefined) {
    return err(
      unavailable(
        `${directory} holds no deployments yet: a controller makes ${STORE_ID_FILE} there at its first start`,
      ),
    );
  }
  const storeId = found.value;
  const scan = createScanner({ ...settings, settle: false });
  const known = new Map<string, Known>();
  let told: readonly StoreProblem[] = [];

  async function look(): Promise<Result<View, StoreError>> {
    const place = await readStoreId(files, directory);
    if (!place.ok) return place;
    if (place.value !== storeId) return err(unavailable(`${directory} holds another store than before`));
    try {
      const { readings, statusFiles } = await scan();
      const entries = new Map<string, Entry>();
      const sealed = new Map<string, StoreProblem>();
      await abreast([...statusFiles], async (file) => {
        const record = await readAgain(file);
        const key = statusFileKey(file);
        if (record?.ok) entries.set(keyText(record.value.held.resource.key), { ...record.value, obstacles: [] });
        else if (record) sealed.set(key ? keyText(key) : file, record.error);
      });
      const clueless = {
        missing: new Map<string, number>(),
        nowMs: clock.now(),
        graceMs: Number.POSITIVE_INFINITY,
        newUid: () => '',
      };
      const merged = merge({ entries, readings, sealed: new Set(sealed.keys()), ...clueless });
      const resources = new Map<string, Resource>();
      for (const [name, entry] of [...entries, ...merged.changed]) {
        const isGone = merged.missing.has(name) && entry.held.resource.finalizers.length === 0;
        if (!isGone) resources.set(name, viewOf(entry, ''));
      }
      told = [...[...readings.values()].flatMap((reading) => reading.problems), ...merged.problems, ...sealed.values()];
      return ok({ resources, sealed });
    } catch (error) {
      return err(unavailable(`${directory} cannot be read: ${explainDisk(error)}`));
    }
  }

  async function readAgain(file: string): Promise<Result<Recorded, StoreProblem> | undefined> {
    const facts = await files.facts(join(directory, file)).catch(() => undefined);
    const before = known.get(file);
    if (facts && facts.fingerprint === before?.fingerprint) return before.record;
    const record = await readRecord(files, directory, file, { storeId, catalog });
    if (record && facts) known.set(file, { fingerprint: facts.fingerprint, record });
    else known.delete(file);
    return record;
  }

  return ok({
    ...createEditor(settings),
    async list() {
      const view = await look();
      return view.ok ? ok([...view.value.resources.values()]) : view;
    },
    async get(key) {
      const view = await look();
      if (!view.ok) return view;
      const seal = view.value.sealed.get(keyText(key));
      return seal ? err(sealError(seal)) : ok(view.value.resources.get(keyText(key)));
    },
    problems: () => told,
  });
}

const unavailable = (message: string): StoreError => ({ kind: 'unavailable', message });
