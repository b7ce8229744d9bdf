import { Composer, type Document, isMap, isNode, isScalar, LineCounter, Parser } from 'yaml';
import type { Key } from '../../api/key.ts';
import { KIND } from '../../api/resource.ts';

/** The text with `spec.replicas` set and every other byte as it was; undefined where that takes a person. */
export function withReplicas(text: string, key: Key, replicas: number): string | undefined {
  const document = documentsOf(text).find((one) => declares(one, key));
  const root = document?.contents;
  const spec = isMap(root) ? root.items.find((pair) => isScalar(pair.key) && pair.key.value === 'spec') : undefined;
  if (!spec || !isMap(spec.value) || !isScalar(spec.key)) return undefined;

  const present = spec.value.items.find((pair) => isScalar(pair.key) && pair.key.value === 'replicas');
  if (present) {
    const range = isNode(present.value) ? present.value.range : undefined;
    if (!range) return undefined;
    const blank = range[0] === range[1] ? ' ' : '';
    return replace(text, range[0], range[1], `${blank}${replicas}`);
  }

  const start = spec.value.range?.[0];
  if (start === undefined) return undefined;
  if (spec.value.flow)
    return replace(text, start + 1, start + 1, `replicas: ${replicas}${spec.value.items.length > 0 ? ', ' : ''}`);

  // Right under `spec:`, so that comments stay with the field they stand above.
  const lineEnd = text.indexOf('\n', spec.key.range?.[0]);
  const indent = /[ ]*$/.exec(text.slice(0, start))?.[0] ?? '';
  if (lineEnd < 0 || lineEnd >= start) return undefined;
  const lineBreak = text[lineEnd - 1] === '\r' ? '\r\n' : '\n';
  return replace(text, lineEnd + 1, lineEnd + 1, `${indent}replicas: ${replicas}${lineBreak}`);
}

/** The text without the document; '' when no other is left. */
export function withoutDocument(text: string, key: Key): string | undefined {
  const at = documentsOf(text).findIndex((document) => declares(document, key));
  const starts = [...new Parser().parse(text)].flatMap((token) => (token.type === 'document' ? [token.offset] : []));
  const start = starts[at];
  if (start === undefined) return undefined;
  const rest = replace(text, start, starts[at + 1] ?? text.length, '');
  return documentsOf(rest).every((document) => document.toJS() === null) ? '' : rest;
}

function documentsOf(text: string): readonly Document.Parsed[] {
  const lines = new LineCounter();
  const options = { prettyErrors: false, uniqueKeys: false, merge: true, lineCounter: lines };
  return [...new Composer(options).compose(new Parser().parse(text), false, text.length)] as Document.Parsed[];
}

function declares(document: Document.Parsed, { namespace, name }: Key): boolean {
  if (!isMap(document.contents)) return false;
  return (
    document.get('kind') === KIND &&
    document.getIn(['metadata', 'name']) === name &&
    (document.getIn(['metadata', 'namespace']) ?? 'default') === namespace
  );
}

const replace = (text: string, from: number, to: number, by: string) => text.slice(0, from) + by + text.slice(to);
