// Draws what each rule keeps, from board.json, and from how many image tokens on each strategy pays, from selectors.json:
// npm run build && node docs/results/strategies/plots.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { breakEvenPlot } from '../../../dist/analysis/break-even-plot.js';
import { ratioPlot } from '../../../dist/analysis/ratio-plot.js';

const here = (name) => new URL(name, import.meta.url);
const { shape, weights, rows } = JSON.parse(readFileSync(here('selectors.json'), 'utf8'));
for (const ratio of new Set(rows.map((row) => row.ratio))) {
  const svg = breakEvenPlot(rows, ratio, `${shape} in ${weights} on a processor`);
  writeFileSync(here(`break-even-${Math.round(100 * ratio)}.svg`), svg);
}

const { questions, families, conditions } = JSON.parse(readFileSync(here('board.json'), 'utf8'));
const cuts = Object.entries(conditions).flatMap(([name, { score, halfInterval }]) => {
  const [, layer, ratio, rule] = /^K(\d+)-R([\d.]+)-(.+)$/u.exec(name) ?? [];
  return rule === undefined ? [] : [{ layer, rule, ratio: Number(ratio) / 100, score, halfInterval }];
});
// what stands for others beside the rules of selection that it is best compared with
const KINDS = {
  selection: ({ rule }) => !rule.includes('+'),
  sizes: ({ rule }) => rule.includes('+') || ['attention', 'scope', 'random'].includes(rule),
};
for (const layer of new Set(cuts.map((cut) => cut.layer)))
  for (const [kind, holds] of Object.entries(KINDS)) {
    const rows = cuts.filter((cut) => cut.layer === layer && holds(cut));
    const about = `The bundled model, K = ${layer}, ${questions} questions of ${Object.keys(families).length} families that count the same`;
    writeFileSync(here(`rules-${kind}-k${layer}.svg`), ratioPlot(rows, conditions.unpruned.score, about));
  }
