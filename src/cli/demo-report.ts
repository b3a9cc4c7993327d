/** The demo's report: one HTML file that needs nothing else. */
import sharp from 'sharp';
import type { Picture } from '../media/index.js';
import { version } from '../version.js';
import { isRight, type DemoResult, type DemoSummary } from './demo-results.js';
import { ms, percent, times } from './format.js';

/** How the demo was run. */
export interface DemoRun {
  readonly layer: number;
  readonly repeat: number;
  readonly seconds: number;
}

/** Text for HTML, in elements and in attributes. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/gu, (c) => entities[c] ?? c);
}

/** The report as one HTML document. */
export async function demoReport(
  results: readonly DemoResult[],
  summary: readonly DemoSummary[],
  run: DemoRun,
): Promise<string> {
  const sections = await Promise.all(results.map(section));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>FastV: original and pruned</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>FastV: original and pruned</h1>
<p>After layer ${run.layer}, the image tokens that the last token attends to least are dropped inside the decoder.
R is the share that is dropped. Dark patches below are what was dropped: layers ${run.layer} and later never saw them.</p>
</header>
${summaryTable(summary)}
<p class="note">Times are sums over the questions of medians of ${run.repeat} runs on this machine, taken in turns; the
speed-up is the median of the questions' own. FLOPs are the paper's formula. The questions are the first of each kind in
the test split; the model is small and is trained on such scenes only.</p>
${sections.join('\n')}
<footer>fastv ${escapeHtml(version)} · ${run.seconds.toFixed(0)} s · FastV: arXiv 2403.06764</footer>
</body>
</html>
`;
}

function summaryTable(summary: readonly DemoSummary[]): string {
  const slowest = Math.max(...summary.map(({ prefillMs }) => prefillMs));
  const rows = summary.map(
    (s) => `<tr>
<th scope="row">${s.ratio === null ? 'original' : `R = ${percent(s.ratio)}`}</th>
<td>${s.right} of ${s.questions}</td>
<td>${s.ratio === null ? '' : `${s.sameAsOriginal} of ${s.questions}`}</td>
<td>${ms(s.ttftMs)}</td>
<td class="bar"><span style="width:${((100 * s.prefillMs) / slowest).toFixed(1)}%"></span>${ms(s.prefillMs)}</td>
<td>${s.ratio === null ? '' : times(s.prefillSpeedup)}</td>
<td>${percent(s.flopsRatio)}</td>
<td>${percent(s.kvRatio)}</td>
</tr>`,
  );
  return `<table class="summary">
<thead><tr><th></th><th>right answers</th><th>as original</th><th>first tokens</th><th>prefill</th><th>speed-up</th>
<th>FLOPs</th><th>KV memory</th></tr></thead>
<tbody>${rows.join('\n')}</tbody>
</table>`;
}

async function section({ title, question, answer, pictures, original, runs }: DemoResult): Promise<string> {
  const images = (await Promise.all(pictures.map(dataUrl)))
    .map((url) => `<img class="picture" src="${url}" alt="picture">`)
    .join('');
  const cards = runs.map(
    ({ ratio, measured, report, overlay }) => `<figure>
<img src="data:image/png;base64,${overlay.toString('base64')}" alt="kept patches at R = ${percent(ratio)}">
<figcaption><b>R = ${percent(ratio)}</b> ${answerOf(measured.text, answer)}<br>
<small>${keptOf(report.rows)} image tokens · prefill ${ms(measured.prefillMs)},
${times(original.prefillMs / measured.prefillMs)}</small></figcaption>
</figure>`,
  );
  return `<section>
<h2>${escapeHtml(title)}</h2>
<p class="question">${escapeHtml(question)} <small>expected: ${escapeHtml(answer)}</small></p>
<div class="cards">
<figure><div>${images}</div>
<figcaption><b>original</b> ${answerOf(original.text, answer)}<br>
<small>all image tokens · prefill ${ms(original.prefillMs)}</small></figcaption></figure>
${cards.join('\n')}
</div>
</section>`;
}

function answerOf(given: string, expected: string): string {
  const right = isRight(given, expected);
  return `<q class="${right ? 'right' : 'wrong'}">${escapeHtml(given)}</q>${right ? '' : ' <small>wrong</small>'}`;
}

function keptOf(rows: readonly { imageTokens: number; keptImageTokens: number }[]): string {
  const [row] = rows;
  return row === undefined ? '' : `${row.keptImageTokens} of ${row.imageTokens}`;
}

async function dataUrl({ data, width, height }: Picture): Promise<string> {
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  return `data:image/png;base64,${png.toString('base64')}`;
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #b35900; --bar: #4c8df633; }
@media (prefers-color-scheme: dark) { :root { --good: #57c76f; --bad: #f0a04b; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .3rem } h2 { font-size: 1.1rem; margin: 0 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: right; padding: .35rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child { text-align: left }
thead th { font-weight: 500; font-size: .85rem }
.bar { position: relative; min-width: 9rem }
.bar span { position: absolute; inset: .2rem auto .2rem 0; background: var(--bar); border-radius: 3px }
section { border-top: 1px solid var(--line); padding: 1.2rem 0; margin-top: 1.2rem }
.question { font-size: 1.15rem; margin: .2rem 0 .8rem }
small, .note, footer { opacity: .75; font-size: .85rem }
.cards { display: flex; flex-wrap: wrap; gap: 1.2rem; align-items: flex-start }
figure { margin: 0; max-width: 100% }
figure img { image-rendering: pixelated; border-radius: 4px; max-width: 100%; height: auto; vertical-align: top }
img.picture { width: 192px; margin-right: 8px }
img.picture:last-child { margin-right: 0 }
figcaption { margin-top: .35rem; max-width: 15rem; overflow-wrap: anywhere }
q.right { color: var(--good) } q.wrong { color: var(--bad) }
`;
