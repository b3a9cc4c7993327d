/** Reads a run's folder and writes its report into it: report.html, and each plot as SVG and PNG. */
import { join } from 'node:path';
import { FastvError } from '../errors.js';
import { writeAtomically } from '../files/atomic.js';
import { fileCode } from '../files/file-error.js';
import { readingRuns } from '../eval/foreign-run.js';
import { readText } from '../files/read.js';
import { frontOf, sweepPoints, taskIntervals, type Point } from '../eval/points.js';
import type { ResultTable } from '../eval/results/table.js';
import { readResults } from '../eval/sweep.js';
import type { Summary } from '../eval/summary.js';
import type { Interval } from '../eval/statistics/bootstrap.js';
import { readSummary } from '../eval/compare-runs.js';
import type { OpenOptions } from '../eval/tasks/open-task.js';
import { allocationPlot, efficiencyPlot } from './allocation-plot.js';
import type { Analysis } from './analyze.js';
import { findFailures, firstOf, withImages } from './failures.js';
import { heatMap } from './heat-map.js';
import { attentionMaps } from './map-plot.js';
import { paretoPlot } from './pareto-plot.js';
import { svgToPng } from './plot.js';
import { positionBiasPlot } from './position-bias-plot.js';
import { reportHtml, SHOWN_SAMPLES, type ShownSample } from './report.js';
import { meanMetric, sampleMetric } from './sample-metric.js';
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
 * @throws FastvError `io` if there is no run in the folder; `invalid-option` for failures of a condition that it has not
 */
export function writeReport(folder: string, options: WriteReportOptions = {}): Promise<readonly string[]> {
  return readingRuns([folder], () => written(folder, options));
}

async function written(folder: string, options: WriteReportOptions): Promise<readonly string[]> {
  const summary = await readSummary(folder);
  const results = await readResults(folder, summary);
  const points = sweepPoints(summary.tasks, summary.conditions, results, { seed: summary.seed });
  const front = frontOf(points).map((p) => p.name);
  const analysis = await readAnalysis(folder, summary);
  const plots = [...plotsOf(points, summary, results), ...(analysis === null ? [] : analysisPlots(analysis))];
  const condition = failingCondition(points, summary, options.failuresOf);
  const names = summary.tasks.map(({ name }) => name);
  const found = condition === null ? [] : findFailures(results, names, condition);
  const failures = await withImages(found, summary.tasks, options.data);
  const files: string[] = [];
  for (const { name, svg } of plots) {
    await writeAtomically(join(folder, `${name}.svg`), svg, { own: true });
    await writeAtomically(join(folder, `${name}.png`), await svgToPng(svg), { own: true });
    files.push(join(folder, `${name}.svg`), join(folder, `${name}.png`));
  }
  const question = summary.about['question'];
  const title =
    options.title ??
    (typeof question === 'string' ? `FastV: ${question}` : 'FastV: what pruning costs and what it saves');
  const html = reportHtml({
    ...{ title, summary, points, front, plots, failures, failuresOf: condition },
    samples: shownSamples(results, summary),
    ...(analysis === null ? {} : { positionBias: analysis.positionBias }),
  });
  await writeAtomically(join(folder, 'report.html'), html, { own: true });
  return [join(folder, 'report.html'), ...files];
}

/** The first samples of each task and condition. */
function shownSamples(results: ResultTable, { tasks, conditions }: Summary): ShownSample[] {
  const rows = tasks.flatMap(({ name: task }) =>
    conditions.flatMap((condition) =>
      firstOf(results, [...results.of(task, condition.name).rows], SHOWN_SAMPLES, (row) => row),
    ),
  );
  return results.read(rows).map(({ task, condition, sample, prompt, prediction, answers, score }) => ({
    ...{ task, condition, sample, prompt, prediction, answers, score },
  }));
}

/** Summaries and analyses are some pages of JSON. */
const MAX_JSON = 2 ** 23;

/** What `fastv analyze` measured into the same folder on the same model; null if it has not. */
async function readAnalysis(folder: string, { model }: Summary): Promise<Analysis | null> {
  let text: string;
  try {
    text = await readText(join(folder, 'allocation.json'), MAX_JSON);
  } catch (error) {
    if (error instanceof FastvError && fileCode(error.cause) === 'ENOENT') return null;
    throw error;
  }
  const analysis = JSON.parse(text) as Analysis & { readonly model: string };
  return analysis.model === model ? analysis : null;
}

interface NamedPlot {
  readonly name: string;
  readonly svg: string;
}

/** Those of the plots that have something to show. */
function drawn(plots: readonly { readonly name: string; readonly svg: string | null }[]): NamedPlot[] {
  return plots.flatMap(({ name, svg }) => (svg === null ? [] : [{ name, svg }]));
}

function analysisPlots({ layers, tokens, imageMaps, positionBias }: Analysis): NamedPlot[] {
  return drawn([
    { name: 'allocation', svg: allocationPlot(layers) },
    { name: 'efficiency', svg: efficiencyPlot(layers, tokens) },
    { name: 'attention-maps', svg: attentionMaps(imageMaps) },
    { name: 'position-bias', svg: positionBiasPlot(positionBias) },
  ]);
}

/** The plots that the points have enough for. */
function plotsOf(
  points: readonly Point[],
  { tasks, conditions, seed }: Summary,
  results: ResultTable,
): NamedPlot[] {
  const layers = [
    ...new Set(points.flatMap((p) => (p.kind === 'attention' && p.layer !== null ? [p.layer] : []))),
  ];
  const ratios = new Set(points.map((p) => p.ratio));
  const names = [...new Set(points.flatMap((p) => Object.keys(p.byTask)))];
  const layer = layers.includes(2) ? 2 : layers[0];
  const plots: { name: string; svg: string | null }[] = [];
  if (points.length > 1) {
    plots.push({ name: 'pareto', svg: paretoPlot(points, meanMetric(tasks, names)) });
  }
  if (layers.length > 1 && ratios.size > 2) {
    plots.push(
      { name: 'heat-map', svg: heatMap(points, 'difference') },
      { name: 'heat-map-flops', svg: heatMap(points, 'flops') },
    );
  }
  if (layer !== undefined && ratios.size > 2) {
    const intervalsOf = (name: string): ReadonlyMap<string, Interval> => {
      const task = tasks.find((one) => one.name === name);
      return task === undefined ? new Map() : taskIntervals(task, conditions, results, { seed });
    };
    plots.push({
      name: 'tasks',
      svg: tasksPlot(points, layer, { intervalsOf, metricOf: (task) => sampleMetric(tasks, task) }),
    });
  }
  return drawn(plots);
}

/**
 * The condition whose failures are shown: the wanted one, or attention's at the middle R of the smallest K from 2 on,
 * or whatever else was pruned; of one with seeds, the first. Null where there is nothing to compare.
 * @throws FastvError `invalid-option` if the wanted one has not run
 */
function failingCondition(
  points: readonly Point[],
  { conditions }: Summary,
  wanted: string | undefined,
): string | null {
  const named = (name: string): string | undefined =>
    conditions.find((c) => c.name === name || c.name.replace(/-s\d+$/, '') === name)?.name;
  if (wanted !== undefined) {
    const found = named(wanted);
    if (found !== undefined) return found;
    throw new FastvError('invalid-option', `no condition of this run is called ${JSON.stringify(wanted)}`, {
      where: '--failures',
      hint: `choose one of ${conditions.map((c) => c.name).join(', ')}`,
    });
  }
  const pruned = points.filter((p) => p.kind !== 'unpruned');
  if (pruned.length === points.length) return null;
  const attention = pruned.filter((p) => p.kind === 'attention' && p.layer !== null);
  const layers = [...new Set(attention.map((p) => p.layer ?? 0))].sort((a, b) => a - b);
  const layer = layers.find((k) => k >= 2) ?? layers[0];
  const ofLayer = attention.filter((p) => p.layer === layer).sort((a, b) => a.ratio - b.ratio);
  const shown = ofLayer[ofLayer.length >> 1] ?? pruned[0];
  return shown === undefined ? null : (named(shown.name) ?? null);
}
