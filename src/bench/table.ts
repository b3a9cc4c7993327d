// Tables in Markdown, and the numbers in them.

/** A table in Markdown, aligned for reading as plain text: the first column to the left, the others to the right. */
export function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, i) =>
    Math.max(column.length, ...rows.map((row) => (row[i] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, i) => (i === 0 ? (cells[i] ?? '').padEnd(width) : (cells[i] ?? '').padStart(width))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(columns), rule, ...rows.map(line)].join('\n');
}

/** Milliseconds as seconds with three digits. */
export function seconds(ms: number): string {
  if (ms >= 1000) return (ms / 1000).toFixed(2);
  return (ms / 1000).toFixed(ms < 100 ? 4 : 3);
}

/** Bytes as MiB. */
export function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

/** A part of a whole as a percentage. */
export function percentage(part: number, whole: number): string {
  return whole === 0 ? '' : `${((100 * part) / whole).toFixed(2)}%`;
}
