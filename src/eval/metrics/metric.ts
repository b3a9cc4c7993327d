/**
 * What a metric is: how one reply is scored, and how a task's score is made of its samples. Each metric is one object
 * in one file beside this one, with its test; `index.ts` lists them. What runs, sums up and reports an evaluation knows
 * this interface only.
 *
 * A task's score is a function of means over *units*. A unit is what was drawn when the benchmark was made, and what
 * the bootstrap draws again: mostly a sample, but a pair of MME's questions or all circular copies of one of MMBench's.
 * Each unit has a few numbers (a score; whether it is a true positive, …), and the score follows from their means:
 * accuracy is the mean of one number, F1 a ratio of three, MME a sum over categories (strata). So every metric has an
 * interval, a paired difference and scores by category without a line of its own about them.
 */
import { mean } from '../../statistics.js';
import { groupBy } from '../group-by.js';

/** What a sample is scored against. */
export interface Target {
  readonly choices: readonly string[] | null;
  readonly answers: readonly string[];
  readonly answerIndex: number | null;
  readonly category?: string | null;
}

/** A reply: text, or the log-likelihood of each choice. */
export interface Reply {
  readonly text: string;
  readonly logLikelihoods?: readonly number[];
}

/** A reply's score in [0, 1]; null where only a whole corpus can be scored (captions). */
export interface Scored {
  readonly score: number | null;
  /** The choice that was taken, if there were choices. */
  readonly choice: number | null;
}

/** A scored sample, as results keep it. */
export interface ScoredSample {
  readonly prediction: string;
  readonly score: number | null;
  readonly answers: readonly string[];
  readonly category: string | null;
  /** What samples have in common that make one unit (a pair, circular copies). */
  readonly group: string | null;
  /** The choice that was taken, and how many there were; null (or absent) for an open question. */
  readonly choice?: number | null;
  readonly options?: number | null;
  /** What it is about: samples about one image are drawn together. */
  readonly image?: string;
}

/** What is drawn as a whole: places of its samples, and the numbers that the score is made of. */
export interface Unit {
  readonly samples: readonly number[];
  readonly values: readonly number[];
  /** Units are drawn within their stratum; default: all in one. */
  readonly stratum?: string;
  /** Units of one cluster are drawn together; default: each by itself. */
  readonly cluster?: string;
}

/** The means of the units' values, in each stratum; the strata in the order in which they first come. */
export type StratumMeans = readonly (readonly number[])[];

/** A metric. */
export interface Metric<Name extends string = string> {
  /** What tasks call it. */
  readonly name: Name;
  /** What tables call its score: accuracy, F1, CIDEr, … */
  readonly label: string;
  /** One line: what it measures, and by whose rules. */
  readonly about: string;
  /** How a score is printed: times 100, or as it is. */
  readonly unit: 'percent' | 'points';
  readonly higherIsBetter: boolean;
  /** Scores one reply as it comes. */
  scoreReply(target: Target, reply: Reply): Scored;
  /**
   * What the score is made of.
   * @throws FastvError `invalid-input` for samples that cannot be scored together
   */
  units(samples: readonly ScoredSample[]): readonly Unit[];
  /** The score. */
  score(means: StratumMeans): number;
  /** What a reply means, where that is less than its words: the choice taken, yes or no. Null: its words. */
  meaning?(sample: ScoredSample): string | null;
  /** The score as a share of the best possible, for means over tasks; default: the score itself. */
  share?(score: number, strata: number): number;
  /** Further numbers about all samples, by name. */
  details?(samples: readonly ScoredSample[]): Readonly<Record<string, number>>;
  /** Which samples can be scored though a run was ended early, which may have cut a unit in two; default: all. */
  whole?(samples: readonly ScoredSample[]): readonly boolean[];
}

/** What a metric whose score is the mean of its samples' scores has to say. */
export interface SampleMetric<Name extends string> extends Pick<
  Metric<Name>,
  'name' | 'label' | 'about' | 'scoreReply' | 'details' | 'meaning'
> {
  readonly unit?: Metric['unit'];
  readonly higherIsBetter?: boolean;
}

/** The score of a metric that is the mean of one number over all units. */
export function meanScore([[score = NaN] = []]: StratumMeans): number {
  return score;
}

/** A metric whose score is the mean of its samples' scores. */
export function sampleMetric<const Name extends string>(metric: SampleMetric<Name>): Metric<Name> {
  return {
    unit: 'percent',
    higherIsBetter: true,
    units: (samples) => samples.map(({ score }, i) => ({ samples: [i], values: [score ?? 0] })),
    score: meanScore,
    ...metric,
  };
}

/** Clusters below which nothing can be said of other images; then samples are drawn as if they had nothing in common. */
const FEWEST_CLUSTERS = 10;

/**
 * The units of samples, with what they have in common: those about one image are a cluster, where there are enough images.
 * @throws FastvError as `Metric.units` does
 */
export function unitsOf(metric: Metric, samples: readonly ScoredSample[]): readonly Unit[] {
  const units = metric.units(samples);
  const images = units.map(({ samples: [first = -1] }) => samples[first]?.image);
  if (images.includes(undefined)) return units;
  const clusters = new Set(images).size;
  if (clusters === units.length || clusters < FEWEST_CLUSTERS) return units;
  return units.map((unit, i) => ({ ...unit, cluster: images[i] ?? '' }));
}

/** How many clusters units are drawn in; null where each is drawn by itself. */
export function clustersOf(units: readonly Unit[]): number | null {
  return units[0]?.cluster === undefined ? null : new Set(units.map(({ cluster }) => cluster)).size;
}

/** The score of units. NaN if there is none. */
export function scoreOf(metric: Metric, units: readonly Unit[]): number {
  return metric.score(stratumMeans(units));
}

/** The means of units' values in each stratum. */
function stratumMeans(units: readonly Unit[]): number[][] {
  return strataOf(units).map((members) =>
    (members[0]?.values ?? []).map((_, column) => mean(members.map(({ values }) => values[column] ?? NaN))),
  );
}

/** Units by stratum, in the order in which the strata first come. */
export function strataOf(units: readonly Unit[]): Unit[][] {
  return [...groupBy(units, ({ stratum = '' }) => stratum).values()];
}
