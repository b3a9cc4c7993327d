import { expect, it } from 'vitest';
import { exactMatchMetric } from '../metrics/exact-match.js';
import { unitsOf, type ScoredSample } from '../metrics/metric.js';
import { Random } from '../../scenes/random.js';
import { percentileInterval } from './bootstrap.js';
import { resampledScores } from './resample.js';

const sample = (score: number, image: string): ScoredSample => ({
  ...{ prediction: '', answers: [], category: null, group: null, score },
  image,
});

const clustersOf = (samples: readonly ScoredSample[]): number | undefined =>
  unitsOf(exactMatchMetric, samples).clusters?.names.length;

const widthOf = (samples: readonly ScoredSample[]): number => {
  const [scores = new Float64Array()] = resampledScores(exactMatchMetric, [
    unitsOf(exactMatchMetric, samples),
  ]);
  const { low, high } = percentileInterval(0, scores);
  return high - low;
};

it('draws images where questions share them: copies of a question say nothing new', () => {
  const random = new Random(7);
  const each = Array.from({ length: 100 }, (_, i) => sample(random.chance(60) ? 1 : 0, `image ${i}`));
  // five questions about each image, all right or all wrong
  const copies = each.flatMap((one) => [one, one, one, one, one]);
  expect(clustersOf(each)).toBeUndefined();
  expect(clustersOf(copies)).toBe(100);
  expect(widthOf(copies)).toBeCloseTo(widthOf(each), 1);
  const independent = copies.map((one, i) => ({ ...one, image: String(i) }));
  expect(widthOf(independent)).toBeLessThan(0.6 * widthOf(copies));
});

it('draws samples where there are too few images to say anything of others', () => {
  const few = Array.from({ length: 50 }, (_, i) => sample(i % 2, `image ${i % 5}`));
  expect(clustersOf(few)).toBeUndefined();
});

it('draws ten thousand times a hundred thousand pairs in seconds', () => {
  const random = new Random(8);
  const units = (): ScoredSample[] =>
    Array.from({ length: 100_000 }, (_, i) => sample(random.between(0, 1000) / 1000, String(i)));
  const [a, b] = [unitsOf(exactMatchMetric, units()), unitsOf(exactMatchMetric, units())];
  const [first] = resampledScores(exactMatchMetric, [a, b]);
  expect(first).toHaveLength(10_000);
  const { low, high } = percentileInterval(0, first ?? new Float64Array());
  // uniform in [0, 1]: a variance of 1/12
  expect(high - low).toBeCloseTo((2 * 1.96) / Math.sqrt(12 * 100_000), 3);
}, 60_000);
