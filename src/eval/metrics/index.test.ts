import { describe, expect, it } from 'vitest';
import { FastvError } from '../../errors.js';
import { scoreTask } from '../score.js';
import { findMetric, METRICS } from './index.js';
import { sampleMetric } from './metric.js';

describe.each(METRICS.map((metric) => [metric.name, metric] as const))('%s', (_, metric) => {
  const sample = { prediction: 'yes', answers: ['yes'], category: 'color', options: 1, choice: 0, score: 1 };
  // two samples of each of two groups: pairs for MME, copies of one question for circular
  const samples = ['1', '2'].flatMap((group) => [
    { ...sample, group },
    { ...sample, group },
  ]);

  it('says what it is, and makes units of samples, each in one', () => {
    expect(metric.about).not.toBe('');
    const units = metric.units(samples);
    expect(units.flatMap((unit) => unit.samples).sort()).toEqual([0, 1, 2, 3]);
    expect(new Set(units.map(({ values }) => values.length)).size).toBe(1);
  });

  it('has a score, an interval around it, and one by category', () => {
    const { score, interval, categories } = scoreTask(metric, samples);
    expect(score).toBeGreaterThanOrEqual(interval?.low ?? NaN);
    expect(score).toBeLessThanOrEqual(interval?.high ?? NaN);
    expect(categories['color']?.score).toBeCloseTo(score, 12);
    expect(metric.share?.(score, 1) ?? score).toBeLessThanOrEqual(10);
  });
});

it('lists each metric once', () => {
  const names = METRICS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

it('finds a metric by its name, takes one as it is, and refuses others', () => {
  const own = sampleMetric({
    ...{ name: 'length', label: 'length', about: 'how long replies are' },
    scoreReply: (_, { text }) => ({ score: text.length, choice: null }),
  });
  expect(findMetric(own)).toBe(own);
  expect(findMetric('anls').label).toBe('ANLS');
  expect(() => findMetric('magic')).toThrow(FastvError);
  expect(() => findMetric('toString')).toThrow(/no metric/);
  // read back from a file, an object has lost what it does
  expect(() => findMetric(JSON.parse(JSON.stringify(own)) as typeof own)).toThrow(/"length"/);
});
