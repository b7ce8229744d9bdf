import { type Document, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node, type ParsedNode } from 'yaml';

/**
 * Line of a field such as `spec.engine.args[2]`; of the nearest field around it where it is not in the text.
 * @returns counted from 1
 */
export function lineOfField(document: Document.Parsed, lines: LineCounter, field: string): number {
  let node: Node | null | undefined = document.contents;
  let offset = document.contents?.range[0] ?? document.range[0];
  for (const part of field.split(/[.[\]]+/).filter((word) => word !== '')) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === part);
      if (!pair) break;
      offset = offsetOf(pair.key) ?? offset;
      node = pair.value as Node | null;
    } else if (isSeq(node)) {
      node = node.items[Number(part)] as Node | undefined;
      offset = offsetOf(node) ?? offset;
    } else break;
  }
  return lines.linePos(offset).line;
}

/** Keys written twice in one mapping. YAML forbids them; the parser's own check takes quadratic time. */
export function duplicateKeys(root: ParsedNode | null): readonly { readonly key: string; readonly offset: number }[] {
  const found: { key: string; offset: number }[] = [];
  const open: unknown[] = [root];
  while (open.length > 0) {
    const node = open.pop();
    if (isSeq(node)) for (const item of node.items) open.push(item);
    if (!isMap(node)) continue;
    const seen = new Set<string>();
    for (const { key, value } of node.items) {
      open.push(value);
      if (!isScalar(key) || key.value === '<<') continue;
      const name = String(key.value);
      if (seen.has(name)) found.push({ key: name, offset: offsetOf(key) ?? 0 });
      seen.add(name);
    }
  }
  return found.sort((a, b) => a.offset - b.offset);
}

function offsetOf(node: unknown): number | undefined {
  const range = (node as Node | null | undefined)?.range;
  return range?.[0];
}
