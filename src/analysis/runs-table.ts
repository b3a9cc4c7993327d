/**
 * A comparison of runs as tables: systems in rows, tasks in columns, the form of the field's papers. One table, four ways of
 * writing it.
 */
import type { RunsComparison, SystemScore } from '../eval/compare-runs.js';
import { scoreText } from '../eval/score-text.js';

/** Differences with an adjusted p-value below this are marked. */
const SIGNIFICANT = 0.05;

/** Rows of a comparison, the head first: scores in their own units, `*` where the difference to the base is no chance. */
export function runsRows({ tasks, base, systems }: RunsComparison): string[][] {
  const head = ['system', 'image tokens', 'FLOPs %', ...tasks.map(({ name }) => name), 'relative %'];
  const rows = systems.map((system) => [
    system.name,
    system.cost.keptImageTokens.toFixed(0),
    system.cost.flopsRatio === null ? '' : (100 * system.cost.flopsRatio).toFixed(1),
    ...tasks.map(({ name }) => scoreCell(system.scores[name])),
    system.name === base ? '100.0' : system.relative === null ? '' : (100 * system.relative).toFixed(1),
  ]);
  return [head, ...rows];
}

function scoreCell(score: SystemScore | undefined): string {
  if (score === undefined) return '';
  const mark = score.pHolm !== null && score.pHolm < SIGNIFICANT ? '*' : '';
  return `${scoreText(score.score, score.unit)}${mark}`;
}

/** GitHub's tables. */
export function markdownTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replace(/[\\|]/gu, '\\$&').replace(/\s+/gu, ' ')).join(' | ')} |`;
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'));
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

/**
 * A line a system and task, all numbers as they are (RFC 4180). A text that a spreadsheet would take for a formula gets an
 * apostrophe.
 */
export function comparisonCsv({ tasks, systems }: RunsComparison): string {
  const head = [
    ...[
      'run',
      'condition',
      'task',
      'metric',
      'score',
      'low',
      'high',
      'samples',
      'difference',
      'difference_low',
    ],
    ...['difference_high', 'p', 'p_holm', 'loyalty', 'flops_ratio', 'kept_image_tokens'],
  ];
  const rows = systems.flatMap(({ run, condition, scores, cost }) =>
    tasks.flatMap(({ name }) => {
      const own = scores[name];
      if (own === undefined) return [];
      const { difference } = own;
      return [
        [
          ...[
            run,
            condition,
            name,
            own.metric,
            own.score,
            own.interval?.low,
            own.interval?.high,
            own.samples,
          ],
          ...[difference?.estimate, difference?.low, difference?.high, difference?.pValue, own.pHolm],
          ...[own.loyalty, cost.flopsRatio, cost.keptImageTokens],
        ],
      ];
    }),
  );
  return [head, ...rows].map((row) => row.map(csvCell).join(',')).join('\n');
}

function csvCell(value: string | number | null | undefined): string {
  if (typeof value !== 'string') return value === null || value === undefined ? '' : String(value);
  const plain = /^[=+\-@\t\r]/u.test(value) ? `'${value}` : value;
  return /[",\r\n]/u.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

const LATEX: ReadonlyMap<string, string> = new Map([
  ...Array.from('&%$#_{}', (mark) => [mark, `\\${mark}`] as const),
  ['\\', '\\textbackslash{}'],
  ['~', '\\textasciitilde{}'],
  ['^', '\\textasciicircum{}'],
]);

/** A `tabular` with the rules of the package booktabs. */
export function latexTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `${cells.map((cell) => cell.replace(/[&%$#_{}\\~^]/gu, (mark) => LATEX.get(mark) ?? mark).replace(/\*$/u, '$^{*}$')).join(' & ')} \\\\`;
  return [
    `\\begin{tabular}{l${'r'.repeat(Math.max(0, head.length - 1))}}`,
    '\\toprule',
    line(head),
    '\\midrule',
    ...rows.map(line),
    '\\bottomrule',
    '\\end{tabular}',
  ].join('\n');
}
