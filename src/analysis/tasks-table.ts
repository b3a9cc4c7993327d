/** Scores by task and condition, and each condition's means over its tasks. */
import { scoreText } from '../eval/score-text.js';
import type { Cell as Score, Summary } from '../eval/summary.js';
import { percent, signed } from './numbers.js';
import type { Row, Table } from './table.js';

/** Makes a number lead to its samples. */
export type Link = (condition: string, task: string | null, text: string) => Row['cells'][number];

/** Rows of tasks, then a mean a condition where there are several tasks. */
export function tasksTable(summary: Summary, link: Link): Table {
  const scores = summary.cells.filter(({ samples }) => samples > 0);
  return {
    head: ['task', 'condition', 'metric', 'score', '95%', 'loyalty %', 'difference', 'McNemar p', 'samples'],
    rows: scores.map((score) => rowOf(score, link)),
    foot: summary.conditions.flatMap(({ name }) => meanOf(name, scores)),
  };
}

function rowOf(score: Score, link: Link): Row {
  const { task, condition, metric, unit, interval, difference } = score;
  return {
    cells: [
      task,
      condition,
      metric,
      link(condition, task, scoreText(score.score, unit)),
      interval === null ? '' : `${scoreText(interval.low, unit)} – ${scoreText(interval.high, unit)}`,
      percent(score.loyalty),
      difference === null ? '' : signed((isShare(score) ? 100 : 1) * difference.estimate),
      difference?.mcnemar?.toFixed(3) ?? '',
      score.samples,
    ],
  };
}

/** Every task counts the same. Scores that are no shares (MME's sum of points) have no mean with others. */
function meanOf(condition: string, all: readonly Score[]): readonly Row[] {
  const scores = all.filter((score) => score.condition === condition && isShare(score));
  if (scores.length < 2) return [];
  const mean = (values: readonly (number | null | undefined)[]): number | null => {
    const known = values.filter((value) => value !== null && value !== undefined);
    return known.length < scores.length ? null : known.reduce((a, b) => a + b, 0) / known.length;
  };
  const difference = mean(scores.map((score) => score.difference?.estimate));
  return [
    {
      cells: [
        `mean of ${scores.length} tasks`,
        condition,
        [...new Set(scores.map(({ metric }) => metric))].join(', '),
        percent(mean(scores.map(({ score }) => score))),
        '',
        percent(mean(scores.map(({ loyalty }) => loyalty))),
        difference === null ? '' : signed(100 * difference),
        '',
        scores.reduce((sum, { samples }) => sum + samples, 0),
      ],
    },
  ];
}

function isShare({ unit }: Score): boolean {
  return unit !== 'points';
}
