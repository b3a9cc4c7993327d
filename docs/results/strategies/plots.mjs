// Draws from how many image tokens on each strategy pays, from selectors.json: npm run build && node docs/results/strategies/plots.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { breakEvenPlot } from '../../../dist/analysis/break-even-plot.js';

const here = (name) => new URL(name, import.meta.url);
const { shape, weights, rows } = JSON.parse(readFileSync(here('selectors.json'), 'utf8'));
for (const ratio of new Set(rows.map((row) => row.ratio))) {
  const svg = breakEvenPlot(rows, ratio, `${shape} in ${weights} on a processor`);
  writeFileSync(here(`break-even-${Math.round(100 * ratio)}.svg`), svg);
}
