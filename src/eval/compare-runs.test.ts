import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { fakeAnswerer } from '../../test/eval/fake-answerer.js';
import { comparisonCsv, latexTable, markdownTable, runsRows } from '../analysis/runs-table.js';
import { prunedCondition, UNPRUNED } from './answerer.js';
import { compareRuns } from './compare-runs.js';
import { runEvaluation } from './runner.js';
import { findTasks } from './tasks/index.js';

const root = mkdtempSync(join(tmpdir(), 'fastv-compare-runs-'));
const [one, two] = [join(root, 'one'), join(root, 'two')];
// every scene question with a yes or no is right half of the time by "yes"
const tasks = findTasks(['scenes-existence', 'scenes-color']);

beforeAll(async () => {
  for (const [out, model] of [
    [one, 'a'],
    [two, 'b'],
  ] as const) {
    const conditions = [UNPRUNED, prunedCondition(2, 0.5)];
    await runEvaluation(fakeAnswerer({ model, truth: () => (model === 'a' ? 'yes' : 'no') }), {
      ...{ out, tasks, conditions, limit: 60 },
    });
  }
}, 60_000);

it('sets every condition of every run beside one of them, paired by sample', async () => {
  const { base, systems } = await compareRuns([one, two]);
  expect(base).toBe('one: unpruned');
  expect(systems.map(({ name }) => name)).toEqual([
    ...['one: unpruned', 'one: K2-R50-attention', 'two: unpruned', 'two: K2-R50-attention'],
  ]);
  const [first, pruned, other] = systems;
  expect(first?.relative).toBeNull();
  const score = pruned?.scores['scenes-existence'];
  expect(score?.difference?.estimate).toBeCloseTo(
    (score?.score ?? NaN) - (first?.scores['scenes-existence']?.score ?? NaN),
    12,
  );
  expect(score?.pHolm).toBeGreaterThanOrEqual(score?.difference?.pValue ?? 1);
  expect(other?.scores['scenes-existence']?.loyalty).toBeLessThan(1);
  const same = await compareRuns([two], { base: 'K2-R50-attention' });
  expect(same.base).toBe('K2-R50-attention');
});

it('refuses what is no run, a run twice, and a base that is none', async () => {
  await expect(compareRuns([join(root, 'none')])).rejects.toMatchObject({ code: 'io' });
  await expect(compareRuns([one, one])).rejects.toThrow(/named twice/);
  await expect(compareRuns([one], { base: 'x' })).rejects.toMatchObject({
    code: 'invalid-option',
    where: '--base',
  });
});

it('is written as Markdown, CSV and LaTeX', async () => {
  const comparison = await compareRuns([one]);
  const rows = runsRows(comparison);
  expect(rows[0]).toEqual([
    'system',
    'image tokens',
    'FLOPs %',
    'scenes-existence',
    'scenes-color',
    'relative %',
  ]);
  expect(markdownTable(rows).split('\n')[1]).toBe('| --- | ---: | ---: | ---: | ---: | ---: |');
  const csv = comparisonCsv(comparison).split('\n');
  expect(csv).toHaveLength(1 + 2 * 2);
  expect(csv[0]?.split(',')).toHaveLength(csv[1]?.split(',').length ?? 0);
  expect(latexTable(rows)).toMatch(
    /^\\begin{tabular}{lrrrrr}\n\\toprule\nsystem & image tokens & FLOPs \\% & /,
  );
});

it('keeps marks of each form in names from doing anything', () => {
  expect(markdownTable([['a|b'], ['c\nd']])).toBe('| a\\|b |\n| --- |\n| c d |');
  expect(latexTable([['a_b'], ['50%*'], ['\\x{}']])).toContain(
    'a\\_b \\\\\n\\midrule\n50\\%$^{*}$ \\\\\n\\textbackslash{}x\\{\\} \\\\',
  );
  const run = { run: '=SUM(1)', condition: 'a "b", c', relative: null, name: '' };
  const cost = { flopsRatio: 0.5, keptImageTokens: 3 } as never;
  const score = {
    ...({ metric: 'F1', unit: 'percent' } as const),
    ...{ higherIsBetter: true, score: 0.5, interval: null, samples: 1 },
    ...{ clusters: null, details: {}, categories: {}, loyalty: null, difference: null, pHolm: null },
  } as const;
  const csv = comparisonCsv({
    ...{ tasks: [{ name: 't', metric: 'F1', unit: 'percent' }], base: '' },
    systems: [{ ...run, cost, scores: { t: score } }],
  });
  expect(csv.split('\n')[1]).toBe(`'=SUM(1),"a ""b"", c",t,F1,0.5,,,1,,,,,,,0.5,3`);
});
