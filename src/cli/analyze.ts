/** `fastv analyze`: where a model's attention goes, layer by layer. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { allocationPlot, efficiencyPlot, PARTS } from '../analysis/allocation-plot.js';
import type { Allocation } from '../analysis/allocation.js';
import { efficiency } from '../analysis/allocation.js';
import { analyzeAttention } from '../analysis/analyze.js';
import { attentionMaps } from '../analysis/map-plot.js';
import { svgToPng } from '../analysis/plot.js';
import { writeWhole } from '../eval/files.js';
import { progressLine } from '../eval/progress.js';
import { embeddedModel } from '../runtime/embedded.js';
import { commas, tasksOf } from './eval-options.js';
import { positive } from './options.js';

interface Flags {
  readonly model?: string;
  readonly tasks?: readonly string[];
  readonly taskFile?: readonly string[];
  readonly limit: number;
  readonly out: string;
  readonly data?: readonly string[];
  readonly json?: boolean;
}

/** The command, to be added to the program. */
export function analyzeCommand(): Command {
  return new Command('analyze')
    .description('measure what share of attention the image gets in every layer, averaged over answers')
    .option('--model <folder>', 'the folder of a model (default: the embedded model)')
    .option('--tasks <names>', 'tasks and groups, with commas between (default: scenes)', commas)
    .option('--task-file <files...>', 'tasks of your own, as JSON')
    .option('--limit <n>', 'samples of each task', positive, 20)
    .requiredOption('--out <folder>', 'where allocation.json and the plots go')
    .option('--data <folders...>', 'folders with datasets')
    .option('--json', 'print the allocation as JSON')
    .action(async (flags: Flags) => {
      const tasks = await tasksOf(flags, ['scenes']);
      const progress = progressLine(process.stderr, () => 0);
      const allocation = await analyzeAttention({
        model: flags.model ?? embeddedModel(),
        tasks,
        limit: flags.limit,
        data: flags.data === undefined ? {} : { folders: flags.data },
        onSample: (done) => {
          progress.update(done, flags.limit * tasks.length, 'attention');
        },
      });
      progress.end();
      await mkdir(flags.out, { recursive: true });
      const about = {
        model: flags.model ?? 'scenes-llava (embedded)',
        tasks: tasks.map((t) => t.name),
        limit: flags.limit,
      };
      await writeWhole(
        join(flags.out, 'allocation.json'),
        `${JSON.stringify({ ...about, ...allocation }, null, 2)}\n`,
      );
      const plots = {
        allocation: allocationPlot(allocation.layers),
        efficiency: efficiencyPlot(allocation.layers, allocation.tokens),
        'attention-maps': attentionMaps(allocation.imageMaps),
      };
      for (const [name, svg] of Object.entries(plots)) {
        if (svg === null) continue;
        await writeWhole(join(flags.out, `${name}.svg`), svg);
        await writeFile(join(flags.out, `${name}.png`), await svgToPng(svg));
      }
      console.log(flags.json === true ? JSON.stringify(allocation) : allocationTable(allocation));
    });
}

/** Shares by layer, and how much a token of the image gets against an even share. */
function allocationTable({ layers, tokens, rows }: Allocation): string {
  const head = ['layer', ...PARTS.map((p) => `${p} %`), 'an image token, 1 = even'];
  const lines = layers.map((layer, i) => {
    const image = efficiency(layer, tokens).image;
    return [
      String(i),
      ...PARTS.map((p) => (100 * layer[p]).toFixed(1)),
      image === null ? '—' : image.toFixed(3),
    ];
  });
  const widths = head.map((h) => h.length);
  const table = [head, ...lines].map((r) => r.map((c, i) => c.padStart(widths[i] ?? 0)).join('  '));
  return [
    ...table,
    `${rows} output tokens; tokens: ${PARTS.map((p) => `${p} ${tokens[p].toFixed(1)}`).join(', ')}`,
  ].join('\n');
}
