import { expect, it } from 'vitest';
import type { Summary } from '../eval/summary.js';
import { tasksTable } from './tasks-table.js';

const cell = (task: string, score: number, more: object = {}): object => ({
  ...{ task, condition: 'c', metric: 'exact match', score, interval: null, samples: 10, loyalty: 0.5 },
  ...{ difference: { estimate: -0.1, mcnemar: 0.5 }, ...more },
});
const rowsOf = (...cells: object[]) => {
  const summary = { conditions: [{ name: 'c' }], cells } as unknown as Summary;
  const { rows, foot = [] } = tasksTable(summary, (_, __, text) => text);
  return { rows: rows.map((r) => r.cells), foot: foot.map((r) => r.cells) };
};

it('has a mean over tasks, each of which counts the same', () => {
  const { foot } = rowsOf(cell('a', 0.5), cell('b', 1, { samples: 1000, metric: 'F1' }));
  expect(foot).toEqual([['mean of 2 tasks', 'c', 'exact match, F1', '75.0', '', '50.0', '−10.0', '', 1010]]);
});

it('has none of one task, of points, and none of a difference that a task lacks', () => {
  expect(rowsOf(cell('a', 0.5)).foot).toEqual([]);
  const points = cell('mme', 1400, { metric: 'perception + cognition', unit: 'points' });
  const { rows, foot } = rowsOf(cell('a', 0.5), points);
  expect(foot).toEqual([]);
  expect(rows[1]?.[3]).toBe('1400.0');
  const [mean] = rowsOf(cell('a', 0.5), cell('b', 0.7, { difference: null, loyalty: null })).foot;
  expect(mean?.slice(3, 7)).toEqual(['60.0', '', '—', '']);
});
