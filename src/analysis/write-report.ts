/** Reads a run's folder and writes its report into it: report.html, and each plot as SVG and PNG. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FastvError } from '../errors.js';
import { writeAtomically } from '../files/atomic.js';
import { frontOf, sweepPoints, type Point } from '../eval/points.js';
import { readResults } from '../eval/sweep.js';
import type { Summary } from '../eval/summary.js';
import type { OpenOptions } from '../eval/tasks/open-task.js';
import { allocationPlot, efficiencyPlot } from './allocation-plot.js';
import type { Analysis } from './analyze.js';
import { findFailures, withImages } from './failures.js';
import { heatMap } from './heat-map.js';
import { attentionMaps } from './map-plot.js';
import { paretoPlot } from './pareto-plot.js';
import { svgToPng } from './plot.js';
import { positionBiasPlot } from './position-bias-plot.js';
import { reportHtml } from './report.js';
import { tasksPlot } from './tasks-plot.js';

export interface WriteReportOptions {
  readonly title?: string;
  /** Where the datasets are, for the failures' images. */
  readonly data?: OpenOptions;
  /** The condition whose failures are shown; default: attention at the middle R of the smallest K from 2 on. */
  readonly failuresOf?: string;
}

/**
 * Writes the report of a run.
 * @returns the paths of what was written
 * @throws FastvError `io` if there is no run in the folder
 */
export async function writeReport(
  folder: string,
  options: WriteReportOptions = {},
): Promise<readonly string[]> {
  const summary = await readSummary(folder);
  const results = await readResults(folder, summary);
  const points = sweepPoints(summary.tasks, summary.conditions, results, { seed: summary.seed });
  const front = frontOf(points).map((p) => p.name);
  const analysis = await readAnalysis(folder, summary);
  const plots = [...plotsOf(points), ...(analysis === null ? [] : analysisPlots(analysis))];
  const condition = options.failuresOf ?? failingCondition(points);
  const found = condition === null ? [] : findFailures(results, condition);
  const failures = await withImages(found, summary.tasks, options.data);
  const written: string[] = [];
  for (const { name, svg } of plots) {
    await writeAtomically(join(folder, `${name}.svg`), svg);
    await writeAtomically(join(folder, `${name}.png`), await svgToPng(svg));
    written.push(join(folder, `${name}.svg`), join(folder, `${name}.png`));
  }
  const question = summary.about['question'];
  const title =
    options.title ??
    (typeof question === 'string' ? `FastV: ${question}` : 'FastV: what pruning costs and what it saves');
  const html = reportHtml({
    ...{ title, summary, results, points, front, plots, failures },
    ...(analysis === null ? {} : { positionBias: analysis.positionBias }),
  });
  await writeAtomically(join(folder, 'report.html'), html);
  return [join(folder, 'report.html'), ...written];
}

async function readSummary(folder: string): Promise<Summary> {
  const path = join(folder, 'summary.json');
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Summary;
  } catch (cause) {
    throw new FastvError('io', 'there is no run here, or it has not ended yet', {
      where: path,
      hint: 'give the --out folder of fastv eval or fastv sweep',
      cause,
    });
  }
}

/** What `fastv analyze` measured into the same folder on the same model; null if it has not. */
async function readAnalysis(folder: string, { model }: Summary): Promise<Analysis | null> {
  let text: string;
  try {
    text = await readFile(join(folder, 'allocation.json'), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  const analysis = JSON.parse(text) as Analysis & { readonly model: string };
  return analysis.model === model ? analysis : null;
}

function analysisPlots(analysis: Analysis): NamedPlot[] {
  const { layers, tokens, imageMaps, positionBias } = analysis;
  const maps = attentionMaps(imageMaps);
  const bias = positionBiasPlot(positionBias);
  return [
    {
      name: 'allocation',
      caption: 'Whose tokens the attention of output tokens goes to.',
      svg: allocationPlot(layers),
    },
    {
      name: 'efficiency',
      caption: 'Attention per token, against an even share.',
      svg: efficiencyPlot(layers, tokens),
    },
    ...(maps === null
      ? []
      : [{ name: 'attention-maps', caption: 'Mean attention over the image, layer by layer.', svg: maps }]),
    ...(bias === null
      ? []
      : [{ name: 'position-bias', caption: 'Share of image tokens that are dropped, by place.', svg: bias }]),
  ];
}

interface NamedPlot {
  readonly name: string;
  readonly caption: string;
  readonly svg: string;
}

/** The plots that the points have enough for. */
function plotsOf(points: readonly Point[]): NamedPlot[] {
  const layers = [
    ...new Set(points.flatMap((p) => (p.kind === 'attention' && p.layer !== null ? [p.layer] : []))),
  ];
  const ratios = new Set(points.map((p) => p.ratio));
  const plots: { name: string; caption: string; svg: string | null }[] = [];
  if (points.length > 1) {
    plots.push({
      name: 'pareto',
      caption:
        'Score against exact prefill FLOPs, with 95% bands over samples; broad gray: the Pareto front.',
      svg: paretoPlot(points),
    });
  }
  if (layers.length > 1 && ratios.size > 2) {
    plots.push(
      { name: 'heat-map', caption: 'What is lost at each K and R.', svg: heatMap(points, 'difference') },
      { name: 'heat-map-flops', caption: 'What it costs.', svg: heatMap(points, 'flops') },
    );
  }
  const layer = layers.includes(2) ? 2 : layers[0];
  if (layer !== undefined && ratios.size > 2) {
    plots.push({
      name: 'tasks',
      caption: `The score of each task over R, at K=${layer}.`,
      svg: tasksPlot(points, layer),
    });
  }
  return plots.flatMap((p) => (p.svg === null ? [] : [{ ...p, svg: p.svg }]));
}

function failingCondition(points: readonly Point[]): string | null {
  const attention = points.filter((p) => p.kind === 'attention' && p.layer !== null);
  const layers = [...new Set(attention.map((p) => p.layer ?? 0))].sort((a, b) => a - b);
  const layer = layers.find((k) => k >= 2) ?? layers[0];
  const ofLayer = attention.filter((p) => p.layer === layer).sort((a, b) => a.ratio - b.ratio);
  return ofLayer[ofLayer.length >> 1]?.name ?? null;
}
