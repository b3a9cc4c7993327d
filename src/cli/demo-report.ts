/** The demo's report: one HTML file that needs nothing else. */
import sharp from 'sharp';
import { escapeHtml } from '../analysis/escape.js';
import { htmlPage, pngImage, unbroken } from '../analysis/page.js';
import { htmlTable, type Cell } from '../analysis/table.js';
import type { Picture } from '../media/index.js';
import { version } from '../version.js';
import { isRight, type DemoResult, type DemoSummary } from './demo-results.js';
import { ms, percent, times } from './format.js';

/** How the demo was run. */
export interface DemoRun {
  readonly layer: number;
  readonly repeat: number;
  readonly seconds: number;
  readonly model: string;
  readonly dtype: string;
  readonly machine: string;
  readonly date: Date;
}

/** The report as one HTML document. */
export async function demoReport(
  results: readonly DemoResult[],
  summary: readonly DemoSummary[],
  run: DemoRun,
): Promise<string> {
  const sections = await Promise.all(results.map(section));
  return htmlPage({
    title: 'FastV: original and pruned',
    style: STYLE,
    body: `<header>
<h1>FastV: original and pruned</h1>
<p>After layer ${run.layer}, the image tokens that the last token attends to least are dropped inside the decoder.
R is the share that is dropped. Dark, hatched patches below are what was dropped: layers ${run.layer} and later never
saw them.</p>
</header>
${summaryTable(summary)}
<p class="note">Times are sums over the questions ${timesOf(run.repeat)}; the speed-up is the median of the questions’ own. FLOPs are the paper’s formula. The questions are the first of
each kind in the test split; the model is small and is trained on such scenes only.</p>
${setupTable(run)}
${sections.join('\n')}
<footer>fastv ${escapeHtml(version)} · ${unbroken(`${run.seconds.toFixed(0)} s`)} · FastV: arXiv 2403.06764</footer>`,
  });
}

function timesOf(repeat: number): string {
  return repeat === 1
    ? 'of one run each'
    : `of medians of ${repeat} runs, taken in turns (of fewer on a slow machine)`;
}

/** A column a setting: so few that they fit on a phone. */
function summaryTable(summary: readonly DemoSummary[]): string {
  const slowest = Math.max(1, ...summary.map(({ prefillMs }) => prefillMs));
  const row = (name: string, cell: (s: DemoSummary) => Cell): { cells: Cell[] } => ({
    cells: [name, ...summary.map(cell)],
  });
  const pruned =
    (text: (s: DemoSummary) => string): ((s: DemoSummary) => Cell) =>
    (s) =>
      s.ratio === null ? '' : unit(text(s));
  const bar = ({ prefillMs }: DemoSummary): Cell => ({
    html: `${unbroken(ms(prefillMs))}<span class="bar"><span style="width:${((100 * prefillMs) / slowest).toFixed(1)}%"></span></span>`,
  });
  return htmlTable({
    className: 'summary',
    rowHeads: true,
    head: ['', ...summary.map(({ ratio }) => (ratio === null ? 'original' : unit(ratioOf(ratio))))],
    rows: [
      row('right answers', (s) => unit(of(s.right, s.questions))),
      row(
        'as original',
        pruned((s) => of(s.sameAsOriginal, s.questions)),
      ),
      row('first tokens', (s) => unit(ms(s.ttftMs))),
      row('prefill', bar),
      row(
        'speed-up',
        pruned((s) => times(s.prefillSpeedup)),
      ),
      row('FLOPs', (s) => percent(s.flopsRatio)),
      row('KV memory', (s) => percent(s.kvRatio)),
    ],
  });
}

function setupTable({ model, dtype, machine, date }: DemoRun): string {
  const rows = [
    ['model', model],
    ['weights', dtype],
    ['machine', machine],
    ['date', `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`],
  ];
  return htmlTable({ className: 'text', rowHeads: true, rows: rows.map((cells) => ({ cells })) });
}

/** A question: the original's pictures, and beside them what each R kept of them. */
async function section(result: DemoResult): Promise<string> {
  const { title, question, answer, pictures, descriptions, original, runs } = result;
  const which = (i: number): string =>
    pictures.length === 1 ? 'Picture' : `Picture ${i + 1} of ${pictures.length}`;
  const originals = await Promise.all(
    pictures.map(async (picture, i) =>
      pngImage(await pngOf(picture), `${which(i)}: ${descriptions[i] ?? 'a scene'}`),
    ),
  );
  const columns = runs.map(({ ratio, measured, report, overlays }) =>
    column(
      overlays.map(({ png, kept, tokens }, i) =>
        pngImage(
          png,
          `${which(i)} at ${ratioOf(ratio)}: ${kept} of ${tokens} patches kept, the others dark and hatched`,
        ),
      ),
      ratioOf(ratio),
      answerOf(measured.text, answer),
      [
        `${keptOf(report.rows)} image tokens`,
        `prefill ${ms(measured.prefillMs)}`,
        `speed-up ${times(original.prefillMs / measured.prefillMs)}`,
      ],
    ),
  );
  return `<section>
<h2>${escapeHtml(title)}</h2>
<p class="question">${escapeHtml(question)} <small>expected: ${escapeHtml(answer)}</small></p>
<div class="cards">
${column(originals, 'original', answerOf(original.text, answer), ['all image tokens', `prefill ${ms(original.prefillMs)}`])}
${columns.join('\n')}
</div>
</section>`;
}

/** The pictures of one setting, in two columns where there are many, and what it made of them. */
function column(images: readonly string[], name: string, answer: string, facts: readonly string[]): string {
  return `<figure>
<div class="${images.length > 3 ? 'pictures many' : 'pictures'}">${images.join('')}</div>
<figcaption><b>${unbroken(name)}</b> ${answer}<br>
${facts.map((fact, i) => `<span class="unit">${unbroken(fact)}${i < facts.length - 1 ? ' ·' : ''}</span>`).join(' ')}</figcaption>
</figure>`;
}

function answerOf(given: string, expected: string): string {
  const right = isRight(given, expected);
  return `<q class="${right ? 'right' : 'wrong'}">${escapeHtml(given)}</q>${right ? '' : ' (wrong)'}`;
}

function keptOf(rows: readonly { imageTokens: number; keptImageTokens: number }[]): string {
  const [row] = rows;
  return row === undefined ? '' : of(row.keptImageTokens, row.imageTokens);
}

function of(some: number, all: number): string {
  return `${some} of ${all}`;
}

function ratioOf(ratio: number): string {
  return `R = ${percent(ratio)}`;
}

/** A cell with a number and its unit in one piece. */
function unit(text: string): Cell {
  return { html: unbroken(text) };
}

async function pngOf({ data, width, height }: Picture): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** Four columns of a card each where there is room, two on a phone. */
const STYLE = `
section { border-top: 1px solid var(--line); padding-top: 1rem; margin-top: 1.4rem; }
section h2 { margin: 0; }
.question { font-size: 1.15rem; margin: .2rem 0 .8rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(150px, 45%), 1fr)); gap: 1.2rem .8rem; }
.cards figure { margin: 0; }
.pictures { display: grid; gap: 6px; max-width: 230px; }
.pictures.many { grid-template-columns: 1fr 1fr; }
.pictures img { width: 100%; height: auto; image-rendering: pixelated; border-radius: 4px; display: block; outline: 1px solid var(--line); }
figcaption { margin-top: .35rem; }
figcaption b, figcaption q { color: var(--ink); font-size: 1rem; }
figcaption q.right { color: var(--right); } figcaption q.wrong { color: var(--wrong); }
.summary { margin: 1rem 0; }
.summary th { font-weight: normal; } .summary thead th { font-weight: bold; white-space: nowrap; }
.summary .bar { display: block; height: 6px; min-width: 40px; margin: 2px 0; background: var(--line); }
.summary .bar span { display: block; height: 100%; background: var(--link); }
@media (max-width: 640px) { .summary th, .summary td { padding: .22rem .35rem; } }
`;
