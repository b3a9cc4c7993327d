/** `fastv analyze`: where a model's attention goes, layer by layer. */
import { join } from 'node:path';
import { env } from '@huggingface/transformers';
import { Command } from 'commander';
import { allocationPlot, efficiencyPlot, PARTS } from '../analysis/allocation-plot.js';
import { efficiency } from '../analysis/allocation.js';
import { analyzeAttention, type Analysis } from '../analysis/analyze.js';
import { attentionMaps } from '../analysis/map-plot.js';
import { svgToPng } from '../analysis/plot.js';
import { positionBiasPlot } from '../analysis/position-bias-plot.js';
import { writeAtomically } from '../files/atomic.js';
import { makeFolder } from '../files/make-folder.js';
import { progressLine } from '../eval/progress.js';
import { embeddedModel } from '../runtime/embedded.js';
import { commas, tasksOf } from './eval-options.js';
import { positive, share } from './options.js';

interface Flags {
  readonly model?: string;
  readonly tasks?: readonly string[];
  readonly taskFile?: readonly string[];
  readonly limit: number;
  readonly ratio: number;
  readonly dtype?: string;
  readonly allowNetwork?: boolean;
  readonly out: string;
  readonly data?: readonly string[];
  readonly json?: boolean;
}

/** The command, to be added to the program. */
export function analyzeCommand(): Command {
  return new Command('analyze')
    .description('measure what share of attention the image gets in every layer, averaged over answers')
    .option(
      '--model <name|path>',
      'a name on the Hugging Face hub, or a folder (default: the embedded model)',
    )
    .option('--dtype <dtype>', 'fp32, fp16, q8, q4, … as the model has them (default: fp32)')
    .option('--tasks <names>', 'tasks and groups, with commas between (default: scenes)', commas)
    .option('--task-file <files...>', 'tasks of your own, as JSON')
    .option('--limit <n>', 'samples of each task', positive, 20)
    .option('--ratio <r>', 'R of the tokens that would be dropped, whose places are measured', share, 0.5)
    .requiredOption('--out <folder>', 'where allocation.json and the plots go')
    .option('--data <folders...>', 'folders with datasets')
    .option('--allow-network', 'let models and datasets be fetched')
    .option('--json', 'print the measurements as JSON')
    .action(async (flags: Flags) => {
      const tasks = await tasksOf(flags, ['scenes']);
      env.allowRemoteModels = flags.allowNetwork === true;
      const progress = progressLine(process.stderr, () => 0);
      const allocation = await analyzeAttention({
        model: flags.model ?? embeddedModel(),
        tasks,
        limit: flags.limit,
        ratio: flags.ratio,
        ...(flags.dtype === undefined ? {} : { dtype: flags.dtype }),
        data: {
          ...(flags.data === undefined ? {} : { folders: flags.data }),
          allowNetwork: flags.allowNetwork === true,
        },
        onSample: (done) => {
          progress.update(done, flags.limit * tasks.length, 'attention');
        },
      });
      progress.end();
      await makeFolder(flags.out);
      const about = {
        model: flags.model ?? 'scenes-llava (embedded)',
        tasks: tasks.map((t) => t.name),
        limit: flags.limit,
      };
      await writeAtomically(
        join(flags.out, 'allocation.json'),
        `${JSON.stringify({ ...about, ...allocation }, null, 2)}\n`,
      );
      const plots = {
        allocation: allocationPlot(allocation.layers),
        efficiency: efficiencyPlot(allocation.layers, allocation.tokens),
        'attention-maps': attentionMaps(allocation.imageMaps),
        'position-bias': positionBiasPlot(allocation.positionBias),
      };
      for (const [name, svg] of Object.entries(plots)) {
        if (svg === null) continue;
        await writeAtomically(join(flags.out, `${name}.svg`), svg);
        await writeAtomically(join(flags.out, `${name}.png`), await svgToPng(svg));
      }
      console.log(
        flags.json === true
          ? JSON.stringify(allocation)
          : `${allocationTable(allocation)}\n\n${biasTable(allocation)}`,
      );
    });
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
    ...aligned([head, ...lines]),
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
  return aligned([head, ...lines]).join('\n');
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((r) => r[i]?.length ?? 0)));
  return rows.map((r) => r.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('  '));
}
