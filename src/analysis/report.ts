/**
 * One HTML file that says what a run found: plots, tables, and behind every number its samples. It needs
 * nothing else, asks nobody, and runs no script but its own; data are shown as text only.
 */
import { createHash } from 'node:crypto';
import type { Point } from '../eval/points.js';
import type { Result } from '../eval/result.js';
import { scoreText } from '../eval/score-text.js';
import type { Summary } from '../eval/summary.js';
import { escapeHtml, jsonForScript } from './escape.js';
import type { ShownFailure } from './failures.js';
import type { PositionBias } from './position-bias.js';

export interface ReportInput {
  readonly title: string;
  readonly summary: Summary;
  readonly results: readonly Result[];
  readonly points: readonly Point[];
  readonly front: readonly string[];
  /** SVGs by what they show. */
  readonly plots: readonly { readonly caption: string; readonly svg: string }[];
  readonly failures: readonly ShownFailure[];
  /** Where the dropped tokens lie, if that was measured. */
  readonly positionBias?: readonly PositionBias[];
}

/** Samples that the file itself holds, of each task and condition; all of them are in results.jsonl. */
const SAMPLES = 200;

const STYLE = `
:root { color-scheme: light; }
body { font: 15px/1.5 Helvetica, Arial, sans-serif; color: #222; max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .87rem; }
th, td { padding: .22rem .7rem; text-align: right; border-bottom: 1px solid #e3e3e3; }
th:first-child, td:first-child, .text td, .text th { text-align: left; }
tr.front td { background: #f1f7fc; }
button.n { font: inherit; color: #0b5394; background: none; border: 0; padding: 0; cursor: pointer; text-decoration: underline dotted; }
figure { margin: 1rem 0; overflow-x: auto; } figcaption, .note { color: #555; font-size: .87rem; }
.wide { overflow-x: auto; }
.failures { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 1rem; }
.failures article { border: 1px solid #ddd; padding: .6rem; font-size: .87rem; }
.failures img { width: 100%; max-width: 192px; image-rendering: pixelated; display: block; margin-bottom: .3rem; }
.right { color: #00693e; } .wrong { color: #b03000; }
dialog { width: min(960px, 92vw); max-height: 86vh; border: 1px solid #999; }
dialog td { max-width: 340px; overflow-wrap: anywhere; vertical-align: top; }
`;

/** Shows the samples behind a number; touches the document by textContent only. */
const SCRIPT = `
const all = JSON.parse(document.getElementById('samples').textContent);
const dialog = document.querySelector('dialog');
document.addEventListener('click', (event) => {
  const button = event.target.closest('button.n');
  if (!button) return;
  const { task, condition } = button.dataset;
  const rows = all.filter((s) => (!task || s[0] === task) && (s[1] === condition || s[1].replace(/-s\\d+$/, '') === condition));
  dialog.querySelector('h2').textContent = condition + (task ? ', ' + task : '') + ': ' + rows.length + ' samples here';
  const body = dialog.querySelector('tbody');
  body.replaceChildren(...rows.map((s) => {
    const row = document.createElement('tr');
    for (const value of [s[2], s[3], s[4], s[5], s[6] === null ? '' : s[6].toFixed(2)]) {
      const cell = document.createElement('td');
      cell.textContent = value;
      row.append(cell);
    }
    row.lastChild.className = s[6] === 1 ? 'right' : s[6] === 0 ? 'wrong' : '';
    return row;
  }));
  dialog.showModal();
});
`;

/** The report. @returns HTML */
export function reportHtml(input: ReportInput): string {
  const { title, summary, points, front, plots, failures, positionBias } = input;
  const hash = createHash('sha256').update(SCRIPT).digest('base64');
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${hash}'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p class="note">${escapeHtml(summary.model)}${summary.complete ? '' : ' · <strong>the run was ended before it was through</strong>'}</p>
${plots.map(({ caption, svg }) => `<figure>${svg}<figcaption>${escapeHtml(caption)}</figcaption></figure>`).join('\n')}
${points.length === 0 ? '' : pointsTable(points, front)}
${cellsTable(summary)}
${failures.length === 0 ? '' : gallery(failures)}
${positionBias === undefined || positionBias.length === 0 ? '' : biasTable(positionBias)}
${setup(summary)}
<dialog><form method="dialog"><button>close</button></form><h2></h2>
<p class="note">At most ${SAMPLES} samples of each task and condition are kept in this file; all are in results.jsonl.</p>
<div class="wide"><table class="text"><thead><tr><th>sample</th><th>prompt</th><th>reply</th><th>answer</th><th>score</th></tr></thead><tbody></tbody></table></div></dialog>
<script type="application/json" id="samples">${jsonForScript(samplesOf(input.results))}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function biasTable(bias: readonly PositionBias[]): string {
  const shares = (values: readonly (number | null)[]): string => values.map(percent).join(' ');
  const coefficient = (value: number | null): string => (value === null ? '—' : value.toFixed(2));
  const rows = bias.map(({ layer, byPosition, byRow, byColumn, correlation }) => {
    const { position, row, column } = correlation;
    const cells = [escapeHtml(String(layer)), shares(byPosition), shares(byRow), shares(byColumn)];
    return `<tr>${[...cells, ...[position, row, column].map(coefficient)].map((c) => `<td>${c}</td>`).join('')}</tr>`;
  });
  const head = [
    'K',
    'by tenths',
    'top to bottom',
    'left to right',
    'r with place',
    'with row',
    'with column',
  ];
  return `<h2>Where dropped tokens lie</h2>
<p class="note">Share of image tokens that are dropped at R = ${percent(bias[0]?.ratio ?? null)}, by their place among the image tokens
of the prompt and in the picture; r: correlation of being dropped with the place, positive if what comes later, lower
or further right is dropped.</p>
<div class="wide"><table><thead><tr>${head.map((h) => `<th>${h}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function pointsTable(points: readonly Point[], front: readonly string[]): string {
  const rows = points.map((p) => {
    const { score, difference } = p;
    return `<tr${front.includes(p.name) ? ' class="front"' : ''}>${[
      escapeHtml(p.name) + (p.seeds > 1 ? ` (${p.seeds} seeds)` : ''),
      number(p.name, null, percent(score.estimate)),
      `${percent(score.low)} – ${percent(score.high)}`,
      difference === null ? '' : `${signed(difference.estimate)} (p = ${difference.pValue.toFixed(3)})`,
      percent(p.loyalty),
      percent(p.flopsRatio),
      percent(p.kvRatio),
      p.keptImageTokens.toFixed(0),
      p.prefillMs.toFixed(1),
      String(p.samples),
    ]
      .map((cell) => `<td>${cell}</td>`)
      .join('')}</tr>`;
  });
  const head = [
    'condition',
    'score %',
    '95%',
    'against unpruned',
    'loyalty %',
    'FLOPs %',
    'KV %',
    'image tokens',
    'prefill ms',
    'samples',
  ];
  return `<h2>Conditions</h2>
<p class="note">Mean over tasks; intervals and p-values by the bootstrap over samples. Shaded: on the Pareto front of FLOPs and score. Click a number for its samples.</p>
<div class="wide"><table><thead><tr>${head.map((h) => `<th>${h}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function cellsTable(summary: Summary): string {
  const rows = summary.cells
    .filter((cell) => cell.samples > 0)
    .map(
      (cell) =>
        `<tr>${[
          escapeHtml(cell.task),
          escapeHtml(cell.condition),
          escapeHtml(cell.metric),
          number(cell.condition, cell.task, scoreText(cell.score, cell.unit)),
          cell.interval === null
            ? ''
            : `${scoreText(cell.interval.low, cell.unit)} – ${scoreText(cell.interval.high, cell.unit)}`,
          percent(cell.loyalty),
          cell.difference === null ? '' : signed(cell.difference.estimate, cell.unit),
          cell.difference?.mcnemar === undefined || cell.difference.mcnemar === null
            ? ''
            : cell.difference.mcnemar.toFixed(3),
          String(cell.samples),
        ]
          .map((c) => `<td>${c}</td>`)
          .join('')}</tr>`,
    );
  const head = [
    'task',
    'condition',
    'metric',
    'score',
    '95%',
    'loyalty %',
    'difference',
    'McNemar p',
    'samples',
  ];
  return `<h2>Tasks</h2>
<details><summary>${rows.length} cells</summary><div class="wide"><table><thead><tr>${head.map((h) => `<th>${h}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div></details>`;
}

function gallery(failures: readonly ShownFailure[]): string {
  const items = failures.map(({ pruned, unpruned, images }) => {
    const pictures = images
      .map((png) => `<img alt="" src="data:image/png;base64,${png.toString('base64')}">`)
      .join('');
    return `<article>${pictures}<div>${escapeHtml(short(pruned.prompt))}</div>
<div class="right">unpruned: ${escapeHtml(short(unpruned.prediction))}</div>
<div class="wrong">${escapeHtml(pruned.condition)}: ${escapeHtml(short(pruned.prediction))}</div>
<div class="note">${escapeHtml(pruned.task)}, ${escapeHtml(pruned.sample)}</div></article>`;
  });
  return `<h2>Failures: right without pruning, wrong with it</h2><div class="failures">${items.join('\n')}</div>`;
}

function setup(summary: Summary): string {
  const lines: [string, unknown][] = [
    ['model', summary.model],
    ['options', summary.options],
    ['versions', summary.versions],
    ['hardware', summary.hardware],
    ['bootstrap seed', summary.seed],
    ['skipped samples', summary.skipped.count],
    ...Object.entries(summary.about),
  ];
  const rows = lines.map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(text)}</td></tr>`;
  });
  return `<h2>Setup</h2><div class="wide"><table class="text"><tbody>${rows.join('')}</tbody></table></div>`;
}

/** A number that shows its samples when it is clicked. */
function number(condition: string, task: string | null, text: string): string {
  const of = task === null ? '' : ` data-task="${escapeHtml(task)}"`;
  return `<button class="n" data-condition="${escapeHtml(condition)}"${of}>${escapeHtml(text)}</button>`;
}

/** Samples as short lists: task, condition, sample, prompt, reply, answer, score. */
function samplesOf(results: readonly Result[]): unknown[] {
  const count = new Map<string, number>();
  return results.flatMap((r) => {
    const cell = `${r.task}\n${r.condition}`;
    const seen = count.get(cell) ?? 0;
    if (seen >= SAMPLES) return [];
    count.set(cell, seen + 1);
    return [
      [
        r.task,
        r.condition,
        r.sample,
        short(r.prompt),
        short(r.prediction),
        short(r.answers.slice(0, 3).join(' | ')),
        r.score,
      ],
    ];
  });
}

function short(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

function percent(value: number | null): string {
  return value === null || Number.isNaN(value) ? '—' : (100 * value).toFixed(1);
}

function signed(value: number, unit: Summary['cells'][number]['unit'] = 'percent'): string {
  return `${value > 0 ? '+' : value < 0 ? '−' : '±'}${scoreText(Math.abs(value), unit)}`;
}
