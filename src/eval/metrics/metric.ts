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
  readonly image?: string | undefined;
}

/** Samples by their places, as a list has them, or made when they are asked for: a task may have millions. */
export interface Samples {
  readonly length: number;
  at(place: number): ScoredSample | undefined;
}

/** Samples as a list, for what needs all of them at once. */
export function listOf(samples: Samples): readonly ScoredSample[] {
  return Array.isArray(samples)
    ? (samples as readonly ScoredSample[])
    : Array.from({ length: samples.length }, (_, i) => samples.at(i)).filter((one) => one !== undefined);
}

/** Whether a metric looks at one sample at a time, so that none need be held. */
export function isOfEach(metric: Metric): boolean {
  return metric.units === unitOfEach && metric.details === undefined && metric.whole === undefined;
}

/** Some of the samples, by their places; null: all of them. */
export function placed(samples: Samples, places: ArrayLike<number> | null): Samples {
  return places === null
    ? samples
    : { length: places.length, at: (i) => samples.at(places[i] ?? samples.length) };
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

/** Each sample by itself, its score the one number. */
function unitOfEach(samples: readonly ScoredSample[]): Unit[] {
  return samples.map(({ score }, i) => ({ samples: [i], values: [score ?? 0] }));
}

/** A metric whose score is the mean of its samples' scores. */
export function sampleMetric<const Name extends string>(metric: SampleMetric<Name>): Metric<Name> {
  return { unit: 'percent', higherIsBetter: true, units: unitOfEach, score: meanScore, ...metric };
}

/** Units in columns: a task may have millions. */
export interface Units {
  readonly count: number;
  /** Numbers a unit. */
  readonly width: number;
  /** The numbers, unit after unit. */
  readonly values: Float64Array;
  /** Places of the samples of each; null where each sample is one. */
  readonly samples: readonly (readonly number[])[] | null;
  /** The stratum of each; null: all in one. */
  readonly strata: Numbered | null;
  /** The cluster of each; null: each is drawn by itself. */
  readonly clusters: Numbered | null;
}

/** What each unit belongs to, by numbers from 0 in the order in which the names first come. */
export interface Numbered {
  readonly of: Uint32Array;
  readonly names: readonly string[];
}

/** Clusters below which nothing can be said of other images; then samples are drawn as if they had nothing in common. */
const FEWEST_CLUSTERS = 10;

/**
 * The units of samples, with what they have in common: those about one image are a cluster, where there are enough images.
 * @param clustered false: clusters are not looked for
 * @throws FastvError as `Metric.units` does
 */
export function unitsOf(
  metric: Metric,
  samples: Samples,
  { clustered = true }: { readonly clustered?: boolean } = {},
): Units {
  if (metric.units === unitOfEach) {
    const values = new Float64Array(samples.length).map((_, i) => samples.at(i)?.score ?? 0);
    const single = { count: samples.length, width: 1, values, samples: null, strata: null };
    return {
      ...single,
      clusters: clustered ? clustersOf(samples.length, (i) => samples.at(i)?.image) : null,
    };
  }
  const units = metric.units(listOf(samples));
  const width = units[0]?.values.length ?? 0;
  const values = new Float64Array(width * units.length);
  units.forEach((unit, i) => {
    for (let column = 0; column < width; column++) values[width * i + column] = unit.values[column] ?? NaN;
  });
  const strata = units.some(({ stratum }) => stratum !== undefined)
    ? numbered(units.length, (i) => units[i]?.stratum ?? '')
    : null;
  const image = (i: number): string | undefined => samples.at(units[i]?.samples[0] ?? samples.length)?.image;
  return {
    ...{ count: units.length, width, values, strata },
    samples: units.map((unit) => unit.samples),
    clusters: clustered ? clustersOf(units.length, image) : null,
  };
}

function clustersOf(count: number, image: (unit: number) => string | undefined): Units['clusters'] {
  for (let i = 0; i < count; i++) if (image(i) === undefined) return null;
  const clusters = numbered(count, (i) => image(i) ?? '');
  const { length } = clusters.names;
  return length === count || length < FEWEST_CLUSTERS ? null : clusters;
}

/** Numbers for the names of so many things. */
export function numbered(count: number, nameOf: (i: number) => string): Numbered {
  const numbers = new Map<string, number>();
  const of = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const name = nameOf(i);
    let number = numbers.get(name);
    if (number === undefined) numbers.set(name, (number = numbers.size));
    of[i] = number;
  }
  return { of, names: [...numbers.keys()] };
}

/** The first sample of a unit; undefined for one that has none. */
export function firstSample({ samples }: Units, unit: number): number | undefined {
  return samples === null ? unit : samples[unit]?.[0];
}

/** The score of units, or of some of them. NaN if there is none. */
export function scoreOf(metric: Metric, units: Units, places?: readonly number[]): number {
  const { width, values, count, strata } = units;
  const sums = new Map<number, { readonly of: Float64Array; count: number }>();
  const amount = places?.length ?? count;
  for (let i = 0; i < amount; i++) {
    const place = places === undefined ? i : (places[i] ?? -1);
    const stratum = strata?.of[place] ?? 0;
    let sum = sums.get(stratum);
    if (sum === undefined) sums.set(stratum, (sum = { of: new Float64Array(width), count: 0 }));
    for (let column = 0; column < width; column++)
      sum.of[column] = (sum.of[column] ?? NaN) + (values[width * place + column] ?? NaN);
    sum.count++;
  }
  return metric.score([...sums.values()].map((sum) => Array.from(sum.of, (value) => value / sum.count)));
}

/** How many strata units have. */
export function strataCount({ strata, count }: Units): number {
  return strata?.names.length ?? Math.min(1, count);
}
