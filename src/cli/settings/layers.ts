import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import { type Field, fieldsOf } from '../../api/fields.ts';
import { Settings } from '../../config.ts';
import { didYouMean } from '../../nearest.ts';

/** A source of settings: what it says, and where it says so. */
export type Layer = {
  /** Nested as in the file; not yet checked. */
  readonly values: Record<string, unknown>;
  /** Names the place of a value for people: `operator.yaml:12`, `VLLM_SLURM_LOG_LEVEL`, `--log-level`. */
  readonly where: (path: readonly string[]) => string;
  /** Directory that relative paths of this source count from. */
  readonly base: string;
};

export type SettingProblem = { readonly where: string; readonly key: string; readonly message: string };
export type ReadLayer = { readonly layer: Layer; readonly problems: readonly SettingProblem[] };

/** Every key that holds a value one word can say, `log.level` and the like: a list of objects stands in a file. */
export const SETTING_FIELDS: readonly Field[] = fieldsOf(Settings).filter(
  ({ type, path }) => type !== 'object' && type !== 'list of object' && !path.includes('[]'),
);
export const SETTING_PATHS: readonly string[] = SETTING_FIELDS.map(({ path }) => path);
export const ENVIRONMENT_PREFIX = 'VLLM_SLURM_';
export const CONFIG_VARIABLE = `${ENVIRONMENT_PREFIX}CONFIG`;
/** For tests of crashes: `run` ends at this point as if by kill -9 (`failpoint.ts`). */
export const FAILPOINT_VARIABLE = `${ENVIRONMENT_PREFIX}FAILPOINT`;
/** Read by the program itself, no settings. */
const NO_SETTINGS: readonly string[] = [CONFIG_VARIABLE, FAILPOINT_VARIABLE];

/** `cluster.commandPrefix` → `VLLM_SLURM_CLUSTER_COMMAND_PREFIX`. */
export function environmentName(path: string): string {
  return (
    ENVIRONMENT_PREFIX +
    path
      .replaceAll('.', '_')
      .replace(/[A-Z]/g, (letter) => `_${letter}`)
      .toUpperCase()
  );
}

/** @param file as shown to people; @param base the directory it lies in */
export function fileLayer(file: string, base: string, text: string): ReadLayer {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, uniqueKeys: true });
  const lineAt = (offset: number) => `${file}:${counter.linePos(offset).line}`;
  const problems = document.errors.map((error) => ({ where: lineAt(error.pos[0]), key: '', message: error.message }));
  const empty: Layer = { values: {}, where: () => file, base };
  if (problems.length > 0) return { layer: empty, problems };
  const values = plainValues(document);
  if (values === null) return { layer: empty, problems: [] };
  if (!isPlainObject(values)) {
    return { layer: empty, problems: [{ where: `${file}:1`, key: '', message: 'must hold `key: value` lines' }] };
  }
  return { layer: { values, where: (path) => lineAt(offsetOf(document, path)), base }, problems: [] };
}

/** @param source put in brackets behind the variable's name, such as `.env` */
export function environmentLayer(
  environment: Readonly<Record<string, string | undefined>>,
  base: string,
  source?: string,
): ReadLayer {
  const named = new Map(SETTING_FIELDS.map((field) => [environmentName(field.path), field]));
  const given = Object.entries(environment).filter(
    ([name]) => name.startsWith(ENVIRONMENT_PREFIX) && !NO_SETTINGS.includes(name),
  );
  const suffix = source === undefined ? '' : ` (${source})`;
  const values = {};
  const problems: SettingProblem[] = [];
  for (const [name, text = ''] of given) {
    const field = named.get(name);
    if (field) setAt(values, field.path.split('.'), readText(field, text));
    else
      problems.push({
        where: `${name}${suffix}`,
        key: '',
        message: `is no setting.${didYouMean(name, [...named.keys()])}`,
      });
  }
  return { layer: { values, where: (path) => `${environmentName(path.join('.'))}${suffix}`, base }, problems };
}

/**
 * @param given values by path, as typed
 * @param spelling the flag as the person typed it, by path
 */
export function flagLayer(
  given: ReadonlyMap<string, string>,
  spelling: (path: string) => string,
  base: string,
): ReadLayer {
  const values = {};
  const problems: SettingProblem[] = [];
  for (const [path, text] of given) {
    const field = SETTING_FIELDS.find((known) => known.path === path);
    if (field) setAt(values, path.split('.'), readText(field, text));
    else
      problems.push({ where: spelling(path), key: path, message: `is no setting.${didYouMean(path, SETTING_PATHS)}` });
  }
  return { layer: { values, where: (path) => spelling(path.join('.')), base }, problems };
}

/** @returns undefined for aliases that lead nowhere or grow without bound, of which the library throws */
function plainValues(document: Document): unknown {
  try {
    return document.toJS();
  } catch {
    return undefined;
  }
}

/** Text to what the field holds. What does not read as that stays text, for the schema to refuse in its own words. */
function readText(field: Field, text: string): unknown {
  if (field.type.startsWith('list of ')) return text === '' ? [] : text.split(',').map((part) => part.trim());
  if ((field.type === 'integer' || field.type === 'number') && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (field.type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

function setAt(values: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [head = '', ...rest] = path;
  if (rest.length === 0) {
    values[head] = value;
    return;
  }
  const inner = isPlainObject(values[head]) ? values[head] : {};
  values[head] = inner;
  setAt(inner, rest, value);
}

/** Of the key where there is one, else of the nearest thing around it. */
function offsetOf(document: Document, path: readonly string[]): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const key of path) {
    if (isSeq(node)) {
      const item = node.items[Number(key)] as Node | undefined;
      offset = item?.range?.[0] ?? offset;
      node = item;
      continue;
    }
    if (!isMap(node)) break;
    const pair: Pair | undefined = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
    if (!pair) break;
    offset = (pair.key as Node).range?.[0] ?? offset;
    node = pair.value;
  }
  return offset;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
