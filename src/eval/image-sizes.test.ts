// A sweep over sizes of images on models that see several: LLaVA with interpolated positions, and Qwen2-VL.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { build } from '../build/build.js';
import { FIXTURES } from '../../test/vlm-golden.js';
import { picture } from './datasets/picture.js';
import { UNPRUNED, atSize, tokensCondition, type Ask } from './answerer.js';
import { gridConditions } from './grid.js';
import { resolution } from './recipes/resolution.js';
import { runEvaluation } from './runner.js';
import { findTasks } from './tasks/index.js';
import { openTransformersAnswerer } from './transformers-answerer.js';

/** Models are built and loaded. */
const TIME = { timeout: 120_000 };

const folder = mkdtempSync(join(tmpdir(), 'fastv-image-sizes-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const image = picture(60, 60, Buffer.from(Uint8Array.from({ length: 3 * 3600 }, (_, i) => (7 * i) % 251)));
const ask: Ask = { images: [image], prompt: 'What is this?', maxTokens: 2 };

describe.each([
  { name: 'llava', sizes: [56, 84], tokens: [16, 36], saves: true },
  // its encoder costs more than all of its decoder
  { name: 'qwen2_vl', sizes: [48, 72], tokens: [16, 36], saves: false },
] as const)('$name', ({ name, sizes: [small, large], tokens: [few, many], saves }) => {
  it('is asked at each size, pruned and averaged to what the smaller one costs', TIME, async () => {
    const model = join(folder, name);
    await build(join(FIXTURES, name), model, { interpolatePositions: name === 'llava' });
    const answerer = await openTransformersAnswerer({ model, cache: false, onWarning: () => undefined });
    const grid = { layers: [1], ratios: [], strategies: ['attention'] as const, seeds: [0, 1, 2] };
    const conditions = gridConditions({
      ...grid,
      imageSizes: [small, large],
      sameFlops: ['decoder'],
    });
    await answerer.prepare?.(conditions);
    const costs = new Map<string, Awaited<ReturnType<typeof answerer.answer>>[number]['cost']>();
    for (const condition of conditions) {
      const [answer] = await answerer.answer([ask], condition);
      costs.set(condition.name.replace(/-attention$/u, ''), answer?.cost ?? expect.fail());
    }
    const total = atSize(large, tokensCondition(1, { sameAs: small, flops: 'total' }));
    await answerer.prepare?.([total]);
    const asked = answerer.answer([ask], total);
    const refused = expect.objectContaining({ code: 'invalid-option' }) as Error;
    if (!saves) await expect(asked).rejects.toThrow(refused);
    const least = saves ? await asked : [];
    await answerer.close?.();
    const of = (condition: string) => costs.get(condition) ?? expect.fail(condition);
    const base = of(`${small}px-unpruned`);
    expect(base.imageTokens).toBe(few);
    expect(of(`${large}px-unpruned`).imageTokens).toBe(many);
    expect(of(`${large}px-unpruned`).visionFlops).toBeGreaterThan(base.visionFlops ?? NaN);
    const equal = of(`${large}px-K1-F${small}px`);
    expect(equal.imageTokens).toBe(many);
    expect(equal.keptImageTokens).toBeLessThan(few);
    expect(equal.flops).toBeLessThanOrEqual(base.flops ?? NaN);
    expect(equal.flops).toBeGreaterThan(0.9 * (base.flops ?? NaN));
    const both = ({ flops = NaN, visionFlops = NaN }): number => flops + visionFlops;
    for (const { cost } of least) {
      expect(cost.keptImageTokens).toBeLessThan(equal.keptImageTokens);
      expect(both(cost)).toBeLessThanOrEqual(both(base));
    }
    const [averaged] = [...costs.keys()].filter((one) => one.includes('downsample'));
    expect(of(averaged ?? '').imageTokens).toBe(few);
  });
});

it('refuses a size that a model cannot see before the first question', TIME, async () => {
  const model = join(folder, 'fixed');
  await build(join(FIXTURES, 'llava'), model);
  const answerer = await openTransformersAnswerer({ model, cache: false });
  await answerer.prepare?.([atSize(56, UNPRUNED)]);
  await expect(answerer.prepare?.([atSize(84, UNPRUNED)])).rejects.toThrow(
    expect.objectContaining({ code: 'unsupported-decoder' }) as Error,
  );
  await answerer.close?.();
});

it(
  'knows what it sees at the sizes that it was trained at, pruned to what the smallest costs too',
  TIME,
  async () => {
    const model = fileURLToPath(new URL('../../models/scenes-llava-sizes', import.meta.url));
    const answerer = await openTransformersAnswerer({ model, dtype: 'q8', cache: false });
    try {
      const { grid } = resolution;
      const conditions = gridConditions({ ...grid, imageSizes: [96, 144], downsample: false });
      expect(conditions.map(({ name }) => name)).toEqual([
        ...['96px-unpruned', '144px-unpruned', '144px-K2-F96px-attention', '144px-K2-F96px-scope+sizes+mean'],
      ]);
      const tasks = findTasks(['scenes-category', 'scenes-position', 'scenes-text']);
      const summary = await runEvaluation(answerer, {
        out: join(folder, 'run'),
        tasks,
        conditions,
        limit: 8,
        batch: 8,
      });
      for (const condition of conditions) {
        const cells = summary.cells.filter((cell) => cell.condition === condition.name);
        const scores = cells.map(({ score }) => score);
        // half of these are right at 144 pixels where only positions are interpolated
        expect(scores.reduce((sum, score) => sum + score, 0) / tasks.length, condition.name).toBeGreaterThan(
          0.85,
        );
      }
    } finally {
      await answerer.close?.();
    }
  },
);
