import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLMap,
} from 'yaml';
import { err, ok, type Result } from '../result.ts';
import { type Problem, problem, type Setting } from './finding.ts';

/** One `key: value` of a mapping. */
export type Entry = {
  /** The last part of `setting.key`. */
  readonly name: string;
  /** `setting.key` is the whole path: `models.qwen.port`. */
  readonly setting: Setting;
  /** As JSON has it, a number alone as its text; null for an empty line. */
  readonly value: unknown;
  /** Of a mapping, in its order; empty for everything else. */
  readonly entries: readonly Entry[];
};

/** An alias may stand for much; more than this many is an attack or an accident. */
const MAX_ALIASES = 100;
const MAX_DEPTH = 20;

/** A YAML file that holds one mapping, with the line of every key; or all that is wrong with its text. */
export function readEntries(file: string, text: string): Result<readonly Entry[], readonly Problem[]> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true, logLevel: 'error' });
  const lineAt = (offset: number) => lines.linePos(offset).line;
  if (document.errors.length > 0)
    return err(
      document.errors.map(({ pos, message }) =>
        problem({ file, line: lineAt(pos[0]) }, message.replace(/\s+/g, ' ').trim()),
      ),
    );
  const whole = document.contents;
  if (whole === null) return err([problem({ file, line: 1 }, 'the file is empty')]);
  const start = { file, line: lineAt(whole.range[0]) };
  if (!isMap(whole)) return err([problem(start, 'must hold `key: value` lines')]);
  try {
    document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch {
    return err([problem(start, 'its aliases multiply beyond all measure, or lead nowhere')]);
  }
  if (isTooDeep(whole, document, 0)) return err([problem(start, 'it is nested too deeply, or within itself')]);

  const at = (node: unknown, outer: number) => lineOf(node, lineAt) ?? outer;
  const entriesOf = (map: YAMLMap, prefix: string, outer: number): readonly Entry[] => {
    const own = new Map<string, Entry>();
    const merged = new Map<string, Entry>();
    for (const { key, value } of map.items) {
      const node = resolved(value, document);
      const line = at(key, outer);
      if (isMergeKey(key)) {
        for (const part of isSeq(node) ? node.items.map((item) => resolved(item, document)) : [node])
          if (isMap(part))
            for (const entry of entriesOf(part, prefix, line))
              if (!merged.has(entry.name)) merged.set(entry.name, entry);
        continue;
      }
      const name = isScalar(key) ? String(key.value) : String(key);
      const path = prefix === '' ? name : `${prefix}.${name}`;
      own.set(name, {
        name,
        setting: { key: path, place: { file, line } },
        value: plain(node, document),
        entries: isMap(node) ? entriesOf(node, path, line) : [],
      });
    }
    return [...new Map([...merged, ...own]).values()];
  };
  return ok(entriesOf(whole, '', start.line));
}

/** The settings in an entry: itself where it is one value or a list, else those within. */
export function leavesOf(entry: Entry): readonly Entry[] {
  return entry.entries.length > 0 ? entry.entries.flatMap(leavesOf) : [entry];
}

function resolved(node: unknown, document: Document): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}

/** A number is kept as it was written, which is what the scripts handed on: an account may be `0123`. */
function plain(node: unknown, document: Document): unknown {
  if (isScalar(node)) return typeof node.value === 'number' ? (node.source ?? String(node.value)) : node.value;
  return isCollection(node) ? node.toJS(document, { maxAliasCount: MAX_ALIASES }) : null;
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && (key.value === '<<' || typeof key.value === 'symbol');
}

function lineOf(node: unknown, lineAt: (offset: number) => number): number | undefined {
  const range = (node as Node | null)?.range;
  return range ? lineAt(range[0]) : undefined;
}

function isTooDeep(node: unknown, document: Document, depth: number): boolean {
  if (depth > MAX_DEPTH) return true;
  const inner = resolved(node, document);
  if (isMap(inner)) return inner.items.some(({ value }) => isTooDeep(value, document, depth + 1));
  return isSeq(inner) && inner.items.some((item) => isTooDeep(item, document, depth + 1));
}
