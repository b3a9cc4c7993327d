import { expect, it } from 'vitest';
import { scoreTask, type ScoredSample } from '../score.js';

const copies = (group: string, ...scores: number[]): ScoredSample[] =>
  scores.map((score) => ({
    ...{ prediction: 'A', answers: ['x'], category: null, group },
    ...{ score, choice: 0, options: scores.length },
  }));

it('a question is right if all of its copies are, and is one sample', () => {
  const score = scoreTask('circular', [...copies('1', 1, 1, 1, 1), ...copies('2', 1, 1, 1, 0)]);
  expect(score).toMatchObject({ score: 0.5, samples: 2 });
  expect(score.details['accuracy of single copies']).toBe(7 / 8);
});

it('has an interval as wide as that of its questions, not of their copies', () => {
  const samples = Array.from({ length: 20 }, (_, i) =>
    copies(String(i), ...new Array<number>(4).fill(i % 2)),
  ).flat();
  const once = samples.filter((_, i) => i % 4 === 0);
  expect(scoreTask('circular', samples).interval).toEqual(scoreTask('multiple-choice', once).interval);
});

it('refuses samples that belong to no question', () => {
  expect(() => scoreTask('circular', [{ ...(copies('1', 1)[0] ?? expect.fail()), group: null }])).toThrow(
    /no question/,
  );
});
