/** What `fastv analyze` does. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { allocationPlot, efficiencyPlot, PARTS } from '../../analysis/allocation-plot.js';
import { efficiency } from '../../analysis/allocation.js';
import { analyzeAttention, type Analysis, type AnalyzeOptions } from '../../analysis/analyze.js';
import { attentionMaps } from '../../analysis/map-plot.js';
import { svgToPng } from '../../analysis/plot.js';
import { positionBiasPlot } from '../../analysis/position-bias-plot.js';
import { writeAtomically } from '../../files/atomic.js';
import { modelNameOrFolder } from '../../files/model-name.js';
import { progressLine } from '../../eval/progress.js';
import { embeddedModel } from '../../runtime/embedded.js';
import { datasetOptions } from '../dataset-options.js';
import { noteOnTasks, refuseIdleForTasks, tasksOf } from '../evaluation.js';
import { loading } from '../model.js';
import { table } from '../table.js';
import type { Terminal } from '../terminal.js';
import { prepareTransformers } from '../transformers-env.js';
import { prepareOutputFolder } from '../output-path.js';

/** The flags of `fastv analyze`. */
export interface AnalyzeFlags {
  readonly model?: string;
  readonly tasks?: readonly string[];
  readonly taskFile?: readonly string[];
  readonly limit: number;
  readonly ratio: number;
  readonly dtype?: string;
  readonly allowNetwork?: boolean;
  readonly output: string;
  readonly data?: readonly string[];
  readonly images?: string;
}

/**
 * Measures where attention goes, and draws it.
 * @param command knows which flags were given
 */
export async function analyze(flags: AnalyzeFlags, terminal: Terminal, command: Command): Promise<void> {
  const { limit, ratio, dtype, output } = flags;
  const tasks = await tasksOf(flags, ['scenes']);
  refuseIdleForTasks(command, flags, tasks, limit);
  const notice = noteOnTasks(flags.model, tasks, terminal);
  await prepareOutputFolder(output);
  prepareTransformers(flags);
  const progress = progressLine(terminal.progress, () => 0);
  const model = flags.model === undefined ? embeddedModel() : modelNameOrFolder(flags.model);
  const options: AnalyzeOptions = {
    model,
    tasks,
    limit,
    ratio,
    ...(dtype === undefined ? {} : { dtype }),
    data: datasetOptions(flags),
    onSample: (done) => {
      progress.update(done, limit * tasks.length, 'attention');
    },
  };
  const allocation = await loading(model, flags, () => analyzeAttention(options));
  progress.end();
  const about = {
    model: flags.model ?? 'scenes-llava (embedded)',
    tasks: tasks.map((t) => t.name),
    limit,
    ...(notice === undefined ? {} : { notice }),
  };
  await writeAtomically(
    join(output, 'allocation.json'),
    `${JSON.stringify({ ...about, ...allocation }, null, 2)}\n`,
    { own: true },
  );
  const plots = {
    allocation: allocationPlot(allocation.layers),
    efficiency: efficiencyPlot(allocation.layers, allocation.tokens),
    'attention-maps': attentionMaps(allocation.imageMaps),
    'position-bias': positionBiasPlot(allocation.positionBias),
  };
  for (const [name, svg] of Object.entries(plots)) {
    if (svg === null) continue;
    await writeAtomically(join(output, `${name}.svg`), svg, { own: true });
    await writeAtomically(join(output, `${name}.png`), await svgToPng(svg), { own: true });
  }
  terminal.result(allocation, () => `${allocationTable(allocation)}\n\n${biasTable(allocation)}`);
}

/** Shares by layer, and how much a token of the image gets against an even share. */
function allocationTable({ layers, tokens, rows }: Analysis): string {
  const head = ['layer', ...PARTS.map((p) => `${p} %`), 'an image token, 1 = even'];
  const lines = layers.map((layer, i) => {
    const image = efficiency(layer, tokens).image;
    return [
      String(i),
      ...PARTS.map((p) => (100 * layer[p]).toFixed(1)),
      image === null ? '—' : image.toFixed(3),
    ];
  });
  return [
    ...table([head, ...lines], { right: 'all' }),
    `${rows} output tokens; tokens: ${PARTS.map((p) => `${p} ${tokens[p].toFixed(1)}`).join(', ')}`,
  ].join('\n');
}

/** Shares of dropped tokens by their place, and the correlation with it, one line a K. */
function biasTable({ positionBias }: Analysis): string {
  const percent = (shares: readonly (number | null)[]): string =>
    shares.map((s) => (s === null ? '—' : (100 * s).toFixed(0))).join(' ');
  const signed = (value: number | null): string => (value === null ? '—' : value.toFixed(2));
  const lines = positionBias.map(({ layer, byPosition, byRow, byColumn, correlation }) => [
    String(layer),
    percent(byPosition),
    percent(byRow),
    percent(byColumn),
    signed(correlation.position),
    signed(correlation.row),
    signed(correlation.column),
  ]);
  const head = [
    'K',
    'dropped %, by tenths',
    'top to bottom',
    'left to right',
    'r place',
    'r row',
    'r column',
  ];
  return table([head, ...lines], { right: 'all' }).join('\n');
}
