import { Composer, type Document, LineCounter, Parser } from 'yaml';
import { type Catalog, EMPTY_CATALOG } from '../../api/catalog.ts';
import type { Key } from '../../api/key.ts';
import { API_VERSION, GROUP, KIND, type SpecProblem } from '../../api/resource.ts';
import { DNS_LABEL } from '../../api/spec.ts';
import { err } from '../../result.ts';
import { type Declared, declare } from '../revise.ts';
import type { StoreProblem } from '../store.ts';
import { decodeText } from './decode.ts';
import { duplicateKeys, lineOfField } from './positions.ts';

/** One resource declared in a file. */
export type Claim = { readonly key: Key; readonly file: string; readonly line: number; readonly declared: Declared };

/** What a file says. */
export type Reading = {
  readonly claims: readonly Claim[];
  /** Places that should hold a resource and do not. */
  readonly problems: readonly StoreProblem[];
  /**
   * Why the file may mean more than `claims`: what it held before must not be taken for removed.
   * Half-written, emptied by an editor about to write, a name mistyped.
   */
  readonly doubt: StoreProblem | undefined;
  /** With a doubt: names that stand somewhere in the text. */
  readonly mentions: ReadonlySet<string>;
  /** With a doubt: what the file held when it was last understood, and `claims` lacks. */
  readonly kept: readonly Claim[];
};

/** An alias may stand for much; more than this many in one document is an attack or an accident. */
const MAX_ALIASES = 100;
const TOP_FIELDS = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];

type Verdict =
  | { readonly kind: 'ours'; readonly claim: Claim }
  | { readonly kind: 'foreign' }
  /** Not a Kubernetes object at all: a values file, or the first letters of something. */
  | { readonly kind: 'strange'; readonly problem: StoreProblem }
  | { readonly kind: 'bad'; readonly problem: StoreProblem };

/** Every resource of one file, or why there is none. Pure; takes about a second a MiB. */
export function readDocuments(file: string, bytes: Uint8Array, catalog: Catalog = EMPTY_CATALOG): Reading {
  const decoded = decodeText(file, bytes);
  if (!decoded.ok) return unreadable(decoded.error, '');
  const text = decoded.value;
  if (text.trim() === '')
    return {
      ...unreadable({ file, message: 'the file is empty: to delete what it declared, remove it' }, text),
      problems: [],
    };
  const lines = new LineCounter();
  const verdicts: Verdict[] = [];
  for (const document of parse(text, lines)) {
    const [fault] = document.errors;
    // Where one document is cut off, the borders of the others are in doubt too: all of the file stays as it was.
    if (fault)
      return unreadable({ file, line: lines.linePos(fault.pos[0]).line, message: oneLine(fault.message) }, text);
    if (document.contents) verdicts.push(judge(file, document as Document.Parsed, lines, catalog));
  }
  const problems = verdicts.flatMap((verdict) => (verdict.kind === 'bad' ? [verdict.problem] : []));
  const doubts = verdicts.flatMap((verdict) => ('problem' in verdict ? [verdict.problem] : []));
  return {
    claims: verdicts.flatMap((verdict) => (verdict.kind === 'ours' ? [verdict.claim] : [])),
    problems,
    doubt: problems[0] ?? doubts[0],
    mentions: doubts.length > 0 ? mentionsOf(text) : new Set(),
    kept: [],
  };
}

/** A file of which nothing could be understood. */
export function unreadable(problem: StoreProblem, text = ''): Reading {
  return { claims: [], problems: [problem], doubt: problem, mentions: mentionsOf(text), kept: [] };
}

function parse(text: string, lines: LineCounter): Iterable<Document> {
  const composer = new Composer({ prettyErrors: false, uniqueKeys: false, merge: true, lineCounter: lines });
  return composer.compose(new Parser(lines.addNewLine).parse(text), false, text.length);
}

function judge(file: string, document: Document.Parsed, lines: LineCounter, catalog: Catalog): Verdict {
  const at = (field: string) => lineOfField(document, lines, field);
  const bad = (field: string, message: string): Verdict => ({
    kind: 'bad',
    problem: { file, line: at(field), message },
  });

  let raw: unknown;
  try {
    raw = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch {
    return bad('', 'its aliases multiply beyond all measure');
  }
  if (raw === null) return { kind: 'foreign' }; // nothing between two lines of ---
  if (!isRecord(raw))
    return { kind: 'strange', problem: { file, line: at(''), message: 'holds a document that is no resource' } };

  const { apiVersion, kind } = raw;
  const ourGroup = typeof apiVersion === 'string' && apiVersion.split('/')[0] === GROUP;
  if (kind === 'List' && Array.isArray(raw.items) && raw.items.some((item) => isRecord(item) && item.kind === KIND)) {
    return bad('kind', `a List is not read: write each ${KIND} as a document of its own, between lines of ---`);
  }
  if (kind !== KIND && !ourGroup) {
    if (typeof kind === 'string' && typeof apiVersion === 'string') return { kind: 'foreign' };
    return {
      kind: 'strange',
      problem: { file, line: at(''), message: 'holds a document without apiVersion and kind' },
    };
  }
  if (kind !== KIND) return bad('kind', `kind must be ${KIND}, not ${shown(kind)}`);
  if (apiVersion !== API_VERSION)
    return bad('apiVersion', `apiVersion must be ${API_VERSION}, not ${shown(apiVersion)}`);

  const metadata = isRecord(raw.metadata) ? raw.metadata : {};
  const name = metadata.name;
  const namespace = metadata.namespace ?? 'default';
  if (name === undefined || name === null) return bad('metadata', 'metadata.name is missing');
  if (!isLabel(name)) return bad('metadata.name', `metadata.name ${labelRule(name)}`);
  if (!isLabel(namespace)) return bad('metadata.namespace', `metadata.namespace ${labelRule(namespace)}`);
  const [twice] = duplicateKeys(document.contents);
  if (twice) {
    return {
      kind: 'bad',
      problem: { file, line: lines.linePos(twice.offset).line, message: `${shown(twice.key)} is written twice` },
    };
  }

  try {
    const place = (problem: SpecProblem) => ({ ...problem, file, line: at(problem.field) });
    const declared = declareAll(raw, metadata, catalog, place);
    return { kind: 'ours', claim: { key: { namespace, name }, file, line: at('kind'), declared } };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return bad('spec', 'it is nested too deeply, or within itself');
  }
}

/** The spec with whatever else is wrong with the document, each problem with its place. */
function declareAll(
  raw: Readonly<Record<string, unknown>>,
  metadata: Readonly<Record<string, unknown>>,
  catalog: Catalog,
  place: (problem: SpecProblem) => SpecProblem,
): Declared {
  const given = Object.entries(isRecord(metadata.annotations) ? metadata.annotations : {});
  const strangers = Object.keys(raw).filter((field) => !TOP_FIELDS.includes(field));
  const problems = [
    ...strangers.map((field) => ({ field, message: `unknown field; known here: ${TOP_FIELDS.join(', ')}` })),
    ...given
      .filter(([, text]) => typeof text !== 'string')
      .map(([name]) => ({ field: `metadata.annotations.${name}`, message: 'must be a string: put it in quotes' })),
  ];
  const annotations = Object.fromEntries(
    given.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
  const declared = declare(raw.spec, annotations, catalog);
  const all = [...problems, ...(declared.spec.ok ? [] : declared.spec.error)];
  return all.length === 0 ? declared : { ...declared, spec: err(all.map(place)) };
}

/** Resource names in a text that cannot be read as YAML. Too many is safe, too few is not. */
function mentionsOf(text: string): ReadonlySet<string> {
  const names = text.matchAll(/\bname["']?[ \t]*:[ \t]*["']?([a-z0-9][-a-z0-9]*)/g);
  return new Set(Array.from(names, ([, name = '']) => name));
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isLabel = (value: unknown): value is string => typeof value === 'string' && DNS_LABEL.test(value);

const labelRule = (value: unknown) =>
  `must be lower-case letters, digits and -, at most 63, not ${shown(value)}${typeof value === 'string' ? '' : ': put it in quotes'}`;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

const oneLine = (message: string) => message.replace(/\s+/g, ' ').trim();
