import { stripVTControlCharacters } from 'node:util';

const WIDE =
  /^(?:\p{Emoji_Presentation}|\p{Regional_Indicator}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}])/u;
const GAP = '   ';

/** Columns as wide as their widest cell; the last is not padded. @param rows the first is the head */
export function alignedTable(rows: readonly (readonly string[])[]): string {
  return alignedLines(rows).join('\n');
}

/** @param least widths to begin with, so that rows printed later stand below earlier ones */
export function alignedLines(rows: readonly (readonly string[])[], least: readonly number[] = []): readonly string[] {
  const widths = columnWidths(rows, least);
  return rows.map((cells) =>
    cells
      .map((cell, at) => (at === cells.length - 1 ? cell : pad(cell, widths[at] ?? 0)))
      .join(GAP)
      .trimEnd(),
  );
}

export function columnWidths(rows: readonly (readonly string[])[], least: readonly number[] = []): readonly number[] {
  const count = Math.max(0, ...rows.map((cells) => cells.length));
  return Array.from({ length: count }, (_, at) =>
    Math.max(least[at] ?? 0, ...rows.map((cells) => displayWidth(cells[at] ?? ''))),
  );
}

/** Terminal cells: two for East Asian wide characters and emoji, none for colours. */
export function displayWidth(text: string): number {
  const plain = stripVTControlCharacters(text);
  if (/^[\x20-\x7e]*$/.test(plain)) return plain.length;
  return [...new Intl.Segmenter().segment(plain)].reduce((sum, { segment }) => sum + (WIDE.test(segment) ? 2 : 1), 0);
}

function pad(cell: string, width: number): string {
  return cell + ' '.repeat(Math.max(0, width - displayWidth(cell)));
}
