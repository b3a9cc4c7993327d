import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fakeAnswerer } from '../../test/eval/fake-answerer.js';
import { loadAtlas } from '../scenes/atlas.js';
import { makeItem } from '../scenes/dataset.js';
import { gridConditions, type Grid } from './grid.js';
import { paretoFront } from './pareto.js';
import { findRecipe, RECIPES } from './recipes/index.js';
import { runSweep } from './sweep.js';
import { findTasks } from './tasks/index.js';

const grid: Grid = { layers: [1, 3], ratios: [0.5, 0.9], strategies: ['attention'], seeds: [0, 1, 2] };

describe('gridConditions', () => {
  it('has every cell and its baselines, each once, the unpruned model first', () => {
    const names = gridConditions(grid).map((c) => c.name);
    expect(names[0]).toBe('unpruned');
    // unpruned; 4 cells of attention, grid and three seeds; 2 scaled-down
    expect(names).toHaveLength(1 + 4 * 5 + 2);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain('K3-R90-random-s2');
    expect(gridConditions({ ...grid, baselineLayers: [1], downsample: false })).toHaveLength(1 + 4 + 2 * 4);
  });

  it('is run at each size of images, the first of which is what others are compared with', () => {
    const sizes = { ...grid, layers: [2], ratios: [0.5], baselineLayers: [], imageSizes: [96, 144] };
    const own = ['unpruned', 'K2-R50-attention', 'downsample-50'];
    const both = [96, 144].flatMap((size) => own.map((name) => `${size}px-${name}`));
    expect(gridConditions(sizes).map((c) => c.name)).toEqual(both);
    const equal = gridConditions({ ...sizes, ratios: [], sameFlops: ['decoder', 'total'] });
    expect(equal.map((c) => c.name)).toEqual([
      ...['96px-unpruned', '144px-unpruned', '144px-K2-F96px-attention', '144px-K2-T96px-attention'],
      '144px-downsample-55.5556',
    ]);
    expect(equal.at(-1)).toMatchObject({ imageSize: 144, imageScale: 96 / 144 });
    expect(equal[2]?.pruning?.tokens).toEqual({ sameAs: 96, flops: 'decoder' });
  });

  it('ranks by no attention at K = 0', () => {
    const names = gridConditions({ ...grid, layers: [0] }).map((c) => c.name);
    expect(names.filter((n) => n.startsWith('K0'))).toHaveLength(2 * 4);
    expect(names.join()).not.toContain('attention');
  });

  it.each([
    [{ layers: [] }, /at least one K/],
    [{ seeds: [0, 0, 1] }, /at least 3 seeds/],
    [{ layers: [1.5] }, /whole number/],
    [{ ratios: [1.2] }, /between 0 and 1/],
    [{ ratios: [0] }, /between 0 and 1/],
  ] as [Partial<Grid>, RegExp][])('refuses %j', (part, message) => {
    expect(() => gridConditions({ ...grid, ...part })).toThrow(message);
  });
});

describe('paretoFront', () => {
  const front = (points: [number, number][]) =>
    paretoFront(
      points,
      (p) => p[0],
      (p) => p[1],
    );
  it('keeps what nothing beats in both', () => {
    expect(
      front([
        [1, 1],
        [2, 1],
        [2, 3],
        [3, 2],
        [4, 4],
        [1, 0],
        [NaN, 9],
      ]),
    ).toEqual([
      [1, 1],
      [2, 3],
      [4, 4],
    ]);
    expect(
      front([
        [1, 1],
        [1, 1],
      ]),
    ).toHaveLength(2);
    expect(front([])).toEqual([]);
  });
  it('is what the definition says', () => {
    const small = fc.integer({ min: 0, max: 6 });
    fc.assert(
      fc.property(fc.array(fc.tuple(small, small)), (points) => {
        const dominated = (p: [number, number]): boolean =>
          points.some((q) => q[0] <= p[0] && q[1] >= p[1] && (q[0] < p[0] || q[1] > p[1]));
        const expected = points
          .filter((p) => !dominated(p))
          .map(String)
          .sort();
        expect(front(points).map(String).sort()).toEqual(expected);
      }),
    );
  });
});

describe('recipes', () => {
  it.each([...RECIPES.values()])('$name names tasks and a grid that exist', ({ tasks, grid: own, about }) => {
    expect(findTasks(tasks).length).toBeGreaterThan(0);
    expect(gridConditions(own).length).toBeGreaterThan(3);
    expect(about).not.toBe('');
  });
  it('refuses others', () => {
    expect(() => findRecipe('paper')).toThrow(/no recipe is named "paper"/);
  });
});

describe('runSweep', () => {
  const atlas = loadAtlas();
  const answers = new Map(
    (['existence', 'color'] as const).flatMap((family) =>
      Array.from({ length: 60 }, (_, i) => makeItem('test', family, i, atlas)).map(
        (item) => [item.question, item.answer] as const,
      ),
    ),
  );

  it('gives points with seeds taken together, differences, and a front', async () => {
    const model = fakeAnswerer({ truth: (prompt) => answers.get(prompt) });
    const out = mkdtempSync(join(tmpdir(), 'fastv-sweep-'));
    const tasks = findTasks(['scenes-existence', 'scenes-color']);
    const { points, front, summary } = await runSweep(model, { out, tasks, grid, limit: 60 });
    expect(points).toHaveLength(1 + 4 * 3 + 2);
    expect(summary.cells).toHaveLength(2 * 23);
    const at = (name: string) => points.find((p) => p.name === name) ?? expect.fail(name);
    expect(at('unpruned')).toMatchObject({
      kind: 'unpruned',
      flopsRatio: 1,
      kvRatio: 1,
      difference: null,
      seeds: 1,
      samples: 120,
    });
    const random = at('K1-R90-random');
    expect(random).toMatchObject({ seeds: 3, samples: 120, layer: 1, ratio: 0.9, kind: 'random' });
    expect(random.bySeed).toHaveLength(3);
    expect(random.score.estimate).toBeCloseTo(random.bySeed.reduce((a, b) => a + b, 0) / 3, 12);
    expect(random.difference?.estimate).toBeLessThan(0);
    expect(random.loyalty).toBeLessThan(at('K3-R50-attention').loyalty ?? 0);
    expect(at('downsample-90').flopsRatio).toBeLessThan(0.7);
    expect(front).toContain('unpruned');
    expect(front.length).toBeGreaterThan(1);
    expect(Object.keys(random.byTask)).toEqual(['scenes-color', 'scenes-existence']);
    const written = JSON.parse(readFileSync(join(out, 'points.json'), 'utf8')) as unknown;
    expect(written).toEqual(JSON.parse(JSON.stringify({ points, front })));
    // again: nothing is asked, the same comes out
    const again = fakeAnswerer();
    expect((await runSweep(again, { out, tasks, grid, limit: 60 })).points).toEqual(points);
    expect(again.asked).toEqual([]);
  });
});
