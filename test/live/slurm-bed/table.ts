/** What held where: a row for each sentence, a column for each place it was tried at. */
export type Table = {
  mark(column: string, sentence: string, isKept: boolean): void;
  /** One line a row; a cell nobody has marked is `-`. */
  lines(): readonly string[];
};

export function createTable(columns: readonly string[]): Table {
  const rows = new Map<string, Map<string, boolean>>();
  return {
    mark(column, sentence, isKept) {
      const row = rows.get(sentence) ?? new Map<string, boolean>();
      rows.set(sentence, row.set(column, isKept));
    },
    lines: () => [
      [...columns, 'what was tried'].join('  '),
      ...[...rows].map(([sentence, row]) =>
        [...columns.map((column) => cell(row.get(column)).padEnd(column.length)), sentence].join('  '),
      ),
    ],
  };
}

const cell = (isKept: boolean | undefined): string => (isKept === undefined ? '-' : isKept ? 'yes' : 'NO');
