/**
 * One HTML file that says what a run found: plots, tables, and behind every number its samples. It needs
 * nothing else, asks nobody, and runs no script but its own; data are shown as text only.
 */
import type { Point } from '../eval/points.js';
import type { Result } from '../eval/result.js';
import type { Summary } from '../eval/summary.js';
import { escapeHtml, jsonForScript } from './escape.js';
import type { ShownFailure } from './failures.js';
import { percent, signed } from './numbers.js';
import { htmlPage, pngImage } from './page.js';
import type { PositionBias } from './position-bias.js';
import { settingsOf } from './settings.js';
import { htmlTable, type Html } from './table.js';
import { tasksTable } from './tasks-table.js';

export interface ReportInput {
  readonly title: string;
  readonly summary: Summary;
  /** Some samples of each task and condition, to be looked at. */
  readonly samples: readonly ShownSample[];
  readonly points: readonly Point[];
  readonly front: readonly string[];
  /** SVGs by the name of their files. */
  readonly plots: readonly { readonly name: string; readonly svg: string }[];
  /** The condition whose failures were looked for; null if there was none to be compared. */
  readonly failuresOf: string | null;
  readonly failures: readonly ShownFailure[];
  /** Where the dropped tokens lie, if that was measured. */
  readonly positionBias?: readonly PositionBias[];
}

/** What is shown of a sample. */
export type ShownSample = Pick<
  Result,
  'task' | 'condition' | 'sample' | 'prompt' | 'prediction' | 'answers' | 'score'
>;

/** Samples that the file itself holds, of each task and condition; all of them are in results.jsonl. */
export const SHOWN_SAMPLES = 200;
/** A table of more rows than this is shown when it is asked for. */
const OPEN = 40;

const STYLE = `
tr.front td { background: var(--mark); }
button.n { font: inherit; color: var(--link); background: none; border: 0; padding: 0; cursor: pointer; text-decoration: underline dotted; }
figure { overflow-x: auto; } figure svg { min-width: 620px; max-width: 100%; }
.failures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(210px, 100%), 1fr)); gap: 1rem; }
.failures article { border: 1px solid var(--line); padding: .6rem; font-size: .87rem; }
.failures img { width: 100%; max-width: 192px; image-rendering: pixelated; display: block; margin-bottom: .3rem; }
dialog { width: min(960px, 92vw); max-height: 86vh; border: 1px solid var(--muted); color: var(--ink); background: var(--ground); }
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
  const { title, summary, points, front, plots, positionBias = [] } = input;
  const samples = { head: ['sample', 'prompt', 'reply', 'answer', 'score'], rows: [], className: 'text' };
  return htmlPage({
    title,
    style: STYLE,
    script: SCRIPT,
    body: `<h1>${escapeHtml(title)}</h1>
<p class="note">${escapeHtml(summary.model)}${summary.complete ? '' : ' · <strong>the run was ended before it was through</strong>'}</p>
${plots.map(({ name, svg }) => `<figure id="${escapeHtml(name)}">${svg}</figure>`).join('\n')}
${points.length === 0 ? '' : pointsSection(points, front)}
${tasksSection(summary)}
${failuresSection(input)}
${positionBias.length === 0 ? '' : biasSection(positionBias)}
${setupSection(summary)}
<dialog><form method="dialog"><button>close</button></form><h2>Samples</h2>
<p class="note">At most ${SHOWN_SAMPLES} samples of each task and condition are kept in this file; all are in results.jsonl.</p>
${htmlTable(samples)}</dialog>
<script type="application/json" id="samples">${jsonForScript(input.samples.map(sampleRow))}</script>`,
  });
}

function pointsSection(points: readonly Point[], front: readonly string[]): string {
  const rows = points.map((p) => {
    const { score, difference } = p;
    return {
      cells: [
        p.name + (p.seeds > 1 ? ` (${p.seeds} seeds)` : ''),
        number(p.name, null, percent(score.estimate)),
        `${percent(score.low)} – ${percent(score.high)}`,
        difference === null
          ? ''
          : `${signed(100 * difference.estimate)} (p = ${(difference.pHolm ?? difference.pValue).toFixed(3)})`,
        percent(p.relative ?? null),
        percent(p.loyalty),
        percent(p.flopsRatio),
        percent(p.kvRatio),
        p.keptImageTokens.toFixed(0),
        p.prefillMs.toFixed(1),
        p.samples,
      ],
      ...(front.includes(p.name) ? { className: 'front' } : {}),
    };
  });
  const head = [
    ...['condition', 'score %', '95%', 'against unpruned', 'relative %', 'loyalty %'],
    ...['FLOPs %', 'KV %', 'image tokens', 'prefill ms', 'samples'],
  ];
  return `<h2>Conditions</h2>
<p class="note">Mean over tasks; intervals and p-values by the bootstrap over samples (images, where questions share them), p-values adjusted for all comparisons of the table (Holm). Shaded: on the Pareto front of FLOPs and score. Click a number for its samples.</p>
${htmlTable({ head, rows })}`;
}

function tasksSection(summary: Summary): string {
  const table = tasksTable(summary, number);
  const count = table.rows.length;
  return `<h2>Tasks</h2>
<details${count > OPEN ? '' : ' open'}><summary>${count} ${count === 1 ? 'row' : 'rows'} of a task and a condition${
    table.foot?.length ? ', and means over the tasks beneath them' : ''
  }</summary>${htmlTable(table)}</details>`;
}

function failuresSection({ failuresOf, failures }: ReportInput): string {
  const heading = '<h2>Failures: right without pruning, wrong with it</h2>';
  if (failuresOf === null)
    return `${heading}<p>There is nothing to compare: this takes the unpruned model and a pruned one on the same samples.</p>`;
  if (failures.length === 0)
    return `${heading}<p>None: no sample went from fully right (score 1) to wrong (score 0) under ${escapeHtml(failuresOf)}.</p>`;
  const items = failures.map(({ pruned, unpruned, images }) => {
    const pictures = images
      .map((png, i) => pngImage(png, `picture ${i + 1} of ${images.length} of ${pruned.sample}`))
      .join('');
    return `<article>${pictures}<div>${escapeHtml(short(pruned.prompt))}</div>
<div class="right">unpruned: ${escapeHtml(short(unpruned.prediction))}</div>
<div class="wrong">${escapeHtml(pruned.condition)}: ${escapeHtml(short(pruned.prediction))}</div>
<div class="note">${escapeHtml(pruned.task)}, ${escapeHtml(pruned.sample)}</div></article>`;
  });
  const bare = failures.some(({ images }) => images.length === 0);
  const note = bare ? ' Pictures are missing where the dataset is not at hand (fastv report --data).' : '';
  return `${heading}<p class="note">${escapeHtml(failuresOf)}, a few of each task.${note}</p><div class="failures">${items.join('\n')}</div>`;
}

function biasSection(bias: readonly PositionBias[]): string {
  const shares = (values: readonly (number | null)[]): string =>
    values.map((share) => percent(share)).join(' ');
  const coefficient = (value: number | null): string => (value === null ? '—' : value.toFixed(2));
  const rows = bias.map(({ layer, byPosition, byRow, byColumn, correlation }) => {
    const { position, row, column } = correlation;
    const places = [shares(byPosition), shares(byRow), shares(byColumn)];
    return { cells: [String(layer), ...places, ...[position, row, column].map(coefficient)] };
  });
  const head = [
    ...['K', 'by tenths', 'top to bottom', 'left to right'],
    ...['r with place', 'with row', 'with column'],
  ];
  return `<h2>Where dropped tokens lie</h2>
<p class="note">Share of image tokens that are dropped at R = ${percent(bias[0]?.ratio)}%, by their place among the image tokens
of the prompt and in the picture; r: correlation of being dropped with the place, positive if what comes later, lower
or further right is dropped.</p>
${htmlTable({ head, rows })}`;
}

function setupSection(summary: Summary): string {
  const { model, options, versions, hardware, seed, skipped, about } = summary;
  const settings = [
    ...settingsOf('model', model),
    ...settingsOf('options', options),
    ...settingsOf('versions', versions),
    ...settingsOf('hardware', hardware),
    ...settingsOf('bootstrap seed', seed),
    ...settingsOf('skipped samples', skipped.count),
    ...Object.entries(about).flatMap(([name, value]) => settingsOf(name, value)),
  ];
  return `<h2>Setup</h2>
${htmlTable({ rows: settings.map((cells) => ({ cells })), rowHeads: true, className: 'text' })}`;
}

/** A number that shows its samples when it is clicked. */
function number(condition: string, task: string | null, text: string): Html {
  const of = task === null ? '' : ` data-task="${escapeHtml(task)}"`;
  return {
    html: `<button class="n" data-condition="${escapeHtml(condition)}"${of}>${escapeHtml(text)}</button>`,
  };
}

/** A sample as a short list: task, condition, sample, prompt, reply, answer, score. */
function sampleRow(shown: ShownSample): unknown[] {
  const { task, condition, sample, prompt, prediction, answers, score } = shown;
  const right = short(answers.slice(0, 3).join(' | '));
  return [task, condition, sample, short(prompt), short(prediction), right, score];
}

function short(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
