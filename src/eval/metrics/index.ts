/**
 * The metrics: the one list that tasks, scores and reports read. A new one is a file beside this one (`metric.ts` says
 * what it has to hold), its test, and a line here.
 */
import { FastvError } from '../../errors.js';
import { amberMetric } from './amber.js';
import { anlsMetric } from './anls.js';
import { boxIouMetric } from './box-iou.js';
import { chairMetric } from './chair.js';
import { captionMetric } from './cider.js';
import { circularMetric } from './circular.js';
import { countMetric } from './count.js';
import { directAnswerMetric } from './direct-answer.js';
import { exactMatchMetric } from './exact-match.js';
import { hallusionMetric } from './hallusion.js';
import { letterWithinMetric } from './letter-within.js';
import type { Metric } from './metric.js';
import { mmeMetric } from './mme.js';
import { mmmuMetric } from './mmmu.js';
import { multipleChoiceMetric } from './multiple-choice.js';
import { ocrBenchMetric } from './ocrbench.js';
import { popeMetric } from './pope.js';
import { relaxedAccuracyMetric } from './relaxed-accuracy.js';
import { rougeMetric } from './rouge.js';
import { vqaAlwaysMetric, vqaMetric } from './vqa.js';

const LIST = [
  exactMatchMetric,
  relaxedAccuracyMetric,
  anlsMetric,
  vqaMetric,
  vqaAlwaysMetric,
  directAnswerMetric,
  rougeMetric,
  multipleChoiceMetric,
  letterWithinMetric,
  circularMetric,
  mmmuMetric,
  captionMetric,
  popeMetric,
  mmeMetric,
  boxIouMetric,
  ocrBenchMetric,
  countMetric,
  hallusionMetric,
  amberMetric,
  chairMetric,
] as const satisfies readonly Metric[];

/** The name of a metric in the list. */
export type MetricName = (typeof LIST)[number]['name'];

/** Every metric that can be asked for by its name. */
export const METRICS: readonly (Metric & { readonly name: MetricName })[] = LIST;

/** Metrics of the user's own, by name: what went through a file is but a name, and found here again. */
const OWN = new Map<string, Metric>();

/**
 * Makes metrics known by their names, for tasks, reports and comparisons.
 * @throws {FastvError} `invalid-option` for a name that a built-in metric has
 */
export function addMetrics(metrics: readonly Metric[]): void {
  for (const metric of metrics) {
    if (METRICS.some(({ name }) => name === metric.name)) {
      throw new FastvError('invalid-option', `there is a metric ${JSON.stringify(metric.name)} already`, {
        where: 'metric',
        hint: 'give yours another name',
      });
    }
    OWN.set(metric.name, metric);
  }
}

/**
 * The metric of a name, or the one that is given.
 * @throws {FastvError} `invalid-option` listing the names
 */
export function findMetric(metric: string | Metric): Metric {
  // a metric of somebody's own that went through a file is but a name
  if (typeof metric !== 'string' && typeof metric.units === 'function') return metric;
  const wanted = typeof metric === 'string' ? metric : metric.name;
  const found = METRICS.find(({ name }) => name === wanted) ?? OWN.get(wanted);
  if (found !== undefined) return found;
  throw new FastvError('invalid-option', `there is no metric ${JSON.stringify(wanted.slice(0, 100))}`, {
    where: 'metric',
    hint: `one of ${METRICS.map(({ name }) => name).join(', ')}`,
  });
}
