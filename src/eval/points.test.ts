import { describe, expect, it } from 'vitest';
import { downsampledCondition, prunedCondition, UNPRUNED, type Condition } from './answerer.js';
import type { MetricName } from './metrics/index.js';
import { sampleMetric, type Metric } from './metrics/metric.js';
import { frontOf, sweepPoints, type Point } from './points.js';
import type { Result } from './result.js';
import { ResultTable } from './results/table.js';
import { holm } from './statistics/holm.js';
import type { Task } from './tasks/task.js';

const PRUNED = prunedCondition(2, 0.5);

function task(name: string, metric: MetricName | Metric): Task {
  return {
    ...{ name, about: '', source: '', prompt: [], maxTokens: 1, metric },
    data: { kind: 'scenes', split: 'test', family: 'color' },
    images: { fields: [] },
    answer: { field: 'answer' },
  };
}

function result(part: Partial<Result> & Pick<Result, 'task' | 'condition' | 'sample'>): Result {
  return {
    ...{ key: '', prompt: '', prediction: '', choice: null, options: null, score: 0, answers: ['a dog'] },
    ...{ category: null, group: null, where: '' },
    cost: {
      ...{ tokens: 10, imageTokens: 8, keptImageTokens: 4, generatedTokens: 1 },
      ...{ visionMs: 1, prefillMs: 1, decodeMs: 1 },
    },
    ...part,
  };
}

/** So many samples of a task under both conditions, of which pruning loses some. */
function samples(name: string, count: number, lost: number): Result[] {
  return Array.from({ length: count }, (_, i) => [
    result({ task: name, condition: UNPRUNED.name, sample: String(i), score: 1 }),
    result({ task: name, condition: PRUNED.name, sample: String(i), score: i < lost ? 0 : 1 }),
  ]).flat();
}

const pointsOf = (
  tasks: Task[],
  results: Result[],
  conditions: Condition[] = [UNPRUNED, PRUNED],
): Point[] => [...sweepPoints(tasks, conditions, ResultTable.of(results))];

describe('sweepPoints', () => {
  it('has as difference the difference of the scores, whatever the sizes of the tasks', () => {
    const tasks = [task('gqa', 'exact-match'), task('mmmu', 'multiple-choice')];
    const [unpruned, pruned] = pointsOf(tasks, [...samples('gqa', 1000, 200), ...samples('mmmu', 100, 0)]);
    expect(unpruned?.score.estimate).toBe(1);
    expect(pruned?.score.estimate).toBeCloseTo(0.9, 12);
    expect(pruned?.difference?.estimate).toBeCloseTo(-0.1, 12);
    expect(pruned?.difference?.low).toBeLessThan(-0.1);
    expect(pruned?.difference?.high).toBeGreaterThan(-0.1);
    // tasks are drawn apart: a task of ones stays one
    expect(pruned?.score.high).toBeLessThan(0.93);
  });

  it('is not certain of one sample that is right', () => {
    const tasks = [task('gqa', 'exact-match'), task('mmmu', 'multiple-choice')];
    const [one] = pointsOf([tasks[0] ?? expect.fail()], samples('gqa', 1, 0));
    expect(one?.score).toMatchObject({ estimate: 1, high: 1 });
    // Wilson's of 1 of 1
    expect(one?.score.low).toBeCloseTo(0.2065, 4);
    // of the mean of two tasks the half is by the root of two narrower
    const [two] = pointsOf(tasks, [...samples('gqa', 1, 0), ...samples('mmmu', 1, 0)]);
    expect(1 - (two?.score.low ?? NaN)).toBeCloseTo((1 - 0.2065) / Math.SQRT2, 4);
  });

  it('has points for captions', () => {
    const words = ['a red dog runs', 'two cats sleep', 'a man rides a horse', 'the bus is blue'];
    const results = words.flatMap((text, i) => {
      const of = { task: 'nocaps', sample: String(i), score: null, answers: [text, `${text} here`] };
      return [
        result({ ...of, condition: UNPRUNED.name, prediction: text }),
        result({ ...of, condition: PRUNED.name, prediction: i === 0 ? 'nothing' : text }),
      ];
    });
    const [unpruned, pruned] = pointsOf([task('nocaps', 'caption')], results);
    expect(unpruned?.score.estimate).toBeGreaterThan(1);
    expect(pruned?.difference?.estimate).toBeCloseTo(
      (pruned?.score.estimate ?? NaN) - (unpruned?.score.estimate ?? NaN),
      12,
    );
    expect(pruned?.difference?.estimate).toBeLessThan(0);
    expect(pruned?.byTask['nocaps']).toBe(pruned?.score.estimate);
  });

  it('takes F1 and the share of MME’s points, not accuracy', () => {
    const pope = [
      ['yes', 'yes'],
      ['no', 'yes'],
      ['no', 'no'],
    ].map(([prediction = '', answer = ''], i) =>
      result({ task: 'pope', condition: UNPRUNED.name, sample: String(i), prediction, answers: [answer] }),
    );
    const mme = [1, 1, 1, 0].map((score, i) =>
      result({
        ...{ task: 'mme', condition: UNPRUNED.name, sample: String(i), score },
        ...{ category: 'color', group: String(i >> 1) },
      }),
    );
    const [point] = pointsOf([task('pope', 'pope'), task('mme', 'mme')], [...pope, ...mme]);
    expect(point?.byTask['pope']).toBeCloseTo(2 / 3, 12);
    // 75 of 100 for accuracy, 50 of 100 for accuracy+
    expect(point?.byTask['mme']).toBeCloseTo(125 / 200, 12);
    expect(point?.samples).toBe(3 + 2);
  });

  it('adjusts p-values for all comparisons, and says what is relative, worst, and where ranking pays', () => {
    const conditions = [UNPRUNED, PRUNED, downsampledCondition(0.5), prunedCondition(4, 0.5)];
    const time = (condition: string): Pick<Result, 'cost'> => ({
      cost: {
        ...{ tokens: 10, imageTokens: 8, keptImageTokens: 4, generatedTokens: 11, visionMs: 1 },
        ...(condition === UNPRUNED.name ? { prefillMs: 10, decodeMs: 100 } : { prefillMs: 25, decodeMs: 50 }),
      },
    });
    const results = conditions.flatMap(({ name: condition }) =>
      ['a', 'b'].flatMap((of) =>
        Array.from({ length: 40 }, (_, i) => {
          // a: pruning loses 8, downsampling 20, half of them the same; b: nothing is lost
          const lost =
            condition === PRUNED.name ? i < 8 : condition.startsWith('down') ? i >= 4 && i < 24 : false;
          return result({
            ...{ task: of, condition, sample: String(i), score: of === 'a' && lost ? 0 : 1 },
            ...{ prediction: of === 'a' && lost ? 'x' : 'y', ...time(condition) },
          });
        }),
      ),
    );
    const [unpruned, pruned, small, other] = pointsOf(
      [task('a', 'vqa'), task('b', 'vqa')],
      results,
      conditions,
    );
    expect(unpruned).toMatchObject({ relative: null, worst: null, split: null, breakEvenTokens: null });
    expect(pruned?.relative).toBeCloseTo((0.8 + 1) / 2, 12);
    expect(pruned?.worst?.task).toBe('a');
    expect(pruned?.worst?.difference).toBeCloseTo(-0.2, 12);
    // of a's 40 and b's 40, downsampling fails 20, of which pruning gets 16
    expect(pruned?.split?.difficult).toEqual({ samples: 20, score: 0.8 });
    expect(pruned?.split?.easy).toEqual({ samples: 60, score: (60 - 4) / 60 });
    expect(small?.split).toBeNull();
    // 15 ms later, 5 ms a token sooner
    expect(pruned?.breakEvenTokens).toBe(3);
    const ps = [pruned, small, other].map((p) => p?.difference?.pValue ?? NaN);
    expect([pruned, small, other].map((p) => p?.difference?.pHolm)).toEqual(holm(ps));
  });

  it('counts replies that mean the same as loyal', () => {
    const choices = { choice: 1, options: 2, score: 1 };
    const [, pruned] = pointsOf(
      [task('a', 'multiple-choice')],
      [
        result({ ...choices, task: 'a', condition: UNPRUNED.name, sample: '1', prediction: 'B' }),
        result({ ...choices, task: 'a', condition: PRUNED.name, sample: '1', prediction: 'B. dog' }),
      ],
    );
    expect(pruned?.loyalty).toBe(1);
  });

  it('says the same whatever the order of the results', () => {
    const results = samples('gqa', 50, 20).map((r, i) => ({ ...r, score: (i % 7) / 7 }));
    const tasks = [task('gqa', 'vqa')];
    expect(pointsOf(tasks, [...results].reverse())).toEqual(pointsOf(tasks, results));
  });

  it('refuses a mean of tasks where higher is better in some only', () => {
    const lower = sampleMetric({
      ...{ name: 'error', label: 'error', about: 'how wrong', higherIsBetter: false },
      scoreReply: () => ({ score: 0, choice: null }),
    });
    const [good, bad] = [task('a', 'vqa'), task('b', lower)];
    expect(() => pointsOf([good, bad], samples('a', 2, 0))).toThrow(/no mean/);
    const points = pointsOf([bad], samples('b', 2, 1)).map((p, i) => ({ ...p, flopsRatio: 1 - i / 2 }));
    expect(frontOf(points).map(({ name }) => name)).toEqual([PRUNED.name]);
  });
});
