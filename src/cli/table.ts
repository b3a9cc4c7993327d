// Tables of text, as all commands print them.

/** How a table is laid out. */
export interface TableOptions {
  /** Columns whose cells stand on the right: numbers. Default: none. */
  readonly right?: 'all' | 'all-but-first';
}

/** Rows as lines, each column as wide as its widest cell; no line ends in spaces. */
export function table(rows: readonly (readonly string[])[], { right }: TableOptions = {}): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        const onTheRight = right === 'all' || (right === 'all-but-first' && column > 0);
        return onTheRight ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
}
