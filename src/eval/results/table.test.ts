import { expect, it } from 'vitest';
import { anyResult } from '../../../test/eval/results.js';
import type { Result } from '../result.js';
import { ResultTable } from './table.js';

it('gives back what metrics ask for', () => {
  const given = anyResult({
    ...{ sample: 's', prediction: 'ß 漢', choice: 2, options: 4, score: 0.3, answers: ['x', 'y'] },
    ...{ category: 'c', group: 'g', image: 'i', place: 7 },
  });
  const table = ResultTable.of([given, anyResult({ sample: 'open', score: null })]);
  const samples = table.of('t', 'unpruned').samples();
  const [open, own] = [samples.at(0), samples.at(1)];
  for (const field of [
    'prediction',
    'choice',
    'options',
    'score',
    'answers',
    'category',
    'group',
    'image',
  ] as const)
    expect(own?.[field]).toEqual(given[field]);
  expect(open).toMatchObject({ score: null, choice: null, options: null, category: null, group: null });
  expect(open?.image).toBeUndefined();
  const [row = -1] = table.of('t', 'unpruned').rows.slice(1);
  expect([table.cost(row, 'prefillMs'), table.cost(row, 'tokens'), table.cost(row, 'flops')]).toEqual([
    ...[2, 10, NaN],
  ]);
  expect(table.place(row)).toBe(7);
});

it('has the order of the samples’ names, whatever the order of the rows; of two of a sample the later counts', () => {
  const named = (sample: string, condition: string, score: number): Result =>
    anyResult({ sample, condition, score });
  const results = [
    ...[named('b', 'x', 0.1), named('a', 'x', 0.2), named('c', 'y', 0.3), named('a', 'y', 0.4)],
    named('b', 'x', 0.5),
  ];
  const table = ResultTable.of(results);
  const scores = (condition: string): unknown => {
    const { rows, names } = table.of('t', condition);
    return Array.from(rows, (row, i) => [names[i], table.score(row)]);
  };
  // names are numbered over all conditions, so that pairs have one number
  expect(scores('x')).toEqual([
    [0, 0.2],
    [1, 0.5],
  ]);
  expect(scores('y')).toEqual([
    [0, 0.4],
    [2, 0.3],
  ]);
  expect(table.of('t', 'none').rows).toHaveLength(0);
});

it.each([{ sample: 7 }, { answers: 'none' }, { cost: null }, { task: undefined }, { prediction: null }])(
  'refuses what is no result: %j',
  (strange) => {
    const result = { ...anyResult({ sample: 's' }), ...strange } as unknown as Result;
    expect(() => ResultTable.of([result])).toThrow(TypeError);
  },
);
