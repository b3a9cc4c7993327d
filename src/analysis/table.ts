/** Tables as HTML. A cell is text and is escaped; only what says that it is HTML is not. */
import { escapeHtml } from './escape.js';

/** HTML that was made here, in which what is data has been escaped already. */
export interface Html {
  readonly html: string;
}

export type Cell = string | number | Html;

/** A row; `className` marks it. */
export interface Row {
  readonly cells: readonly Cell[];
  readonly className?: string;
}

export interface Table {
  /** Names of the columns; without them there is no head. */
  readonly head?: readonly Cell[];
  readonly rows: readonly Row[];
  /** Sums and means beneath the rows. */
  readonly foot?: readonly Row[];
  /** The first cell of each row is its heading. */
  readonly rowHeads?: boolean;
  /** `text`: cells of words, at the left. */
  readonly className?: string;
}

/** A table that scrolls by itself where the page is narrow. */
export function htmlTable({ head, rows, foot = [], rowHeads = false, className }: Table): string {
  const body = (part: readonly Row[]): string =>
    part
      .map(
        ({ cells, className: mark }) =>
          `<tr${classOf(mark)}>${cells
            .map((cell, i) =>
              rowHeads && i === 0 ? `<th scope="row">${htmlOf(cell)}</th>` : `<td>${htmlOf(cell)}</td>`,
            )
            .join('')}</tr>`,
      )
      .join('\n');
  const heading =
    head === undefined
      ? ''
      : `<thead><tr>${head.map((cell) => (cell === '' ? '<td></td>' : `<th scope="col">${htmlOf(cell)}</th>`)).join('')}</tr></thead>`;
  const sums = foot.length === 0 ? '' : `<tfoot>${body(foot)}</tfoot>`;
  return `<div class="wide"><table${classOf(className)}>${heading}<tbody>${body(rows)}</tbody>${sums}</table></div>`;
}

function classOf(name: string | undefined): string {
  return name === undefined ? '' : ` class="${escapeHtml(name)}"`;
}

function htmlOf(cell: Cell): string {
  return typeof cell === 'object' ? cell.html : escapeHtml(String(cell));
}
