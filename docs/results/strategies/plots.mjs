// Draws what each rule keeps, from board-K.json, and from how many image tokens on each strategy pays, from selectors.json:
// npm run build && node docs/results/strategies/plots.mjs
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { breakEvenPlot } from '../../../dist/analysis/break-even-plot.js';
import { ratioPlot } from '../../../dist/analysis/ratio-plot.js';
import { cutOf } from './cut-of.mjs';

const here = (name) => new URL(name, import.meta.url);
const { shape, weights, rows } = JSON.parse(readFileSync(here('selectors.json'), 'utf8'));
for (const ratio of new Set(rows.map((row) => row.ratio))) {
  const svg = breakEvenPlot(rows, ratio, `${shape} in ${weights} on a processor`);
  writeFileSync(here(`break-even-${Math.round(100 * ratio)}.svg`), svg);
}

// what stands for others beside the rules of selection that it is best compared with
const KINDS = {
  selection: ({ rule }) => !rule.includes('+'),
  sizes: ({ rule }) => rule.includes('+') || ['attention', 'scope', 'random'].includes(rule),
};
for (const layer of [2, 4]) {
  const board = here(`board-${layer}.json`);
  if (!existsSync(board)) continue;
  const { questions, families, conditions } = JSON.parse(readFileSync(board, 'utf8'));
  const cuts = Object.entries(conditions)
    .filter(([name]) => cutOf(name))
    .map(([name, { score, halfInterval }]) => {
      const { rule, ratio } = cutOf(name);
      return { rule, ratio: ratio / 100, score, halfInterval };
    });
  const about = `The bundled model, K = ${layer}, ${questions} questions of ${Object.keys(families).length} families that count the same`;
  for (const [kind, holds] of Object.entries(KINDS))
    writeFileSync(here(`rules-${kind}-k${layer}.svg`), ratioPlot(cuts.filter(holds), conditions.unpruned.score, about));
}
