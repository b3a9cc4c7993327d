import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { InferenceSession } from 'onnxruntime-node';
import { open, openInWasm } from '../../test/graphs.js';
import { randomRow, run, strategyGraph, type Row } from '../../test/set-strategies.js';
import { seededRandom } from '../../test/toy/random.js';
import { unitRows } from './features.js';
import { greedy } from './greedy.js';
import { scope } from './scope.js';
import type { GraphStrategy } from './strategy.js';

/** SCOPE as greedy.ts does it: every token is looked at in every turn. */
const eager: GraphStrategy = {
  ...scope,
  score: (context) =>
    greedy(context, {
      relevance: context.lastRowAttention(),
      features: unitRows(context.emit, context.emit.castToFloat(context.residualBefore())),
      start: ({ emit, open: which }) => [emit.op('Expand', [emit.float(0), emit.op('Shape', [which])])],
      gain: ({ emit, pool, state: [covered = ''] }) => {
        const more = emit.op('Relu', [emit.op('Sub', [pool.cosines(), emit.unsqueeze(covered, 1)])]);
        return emit.op('Mul', [pool.relevance, emit.reduce('ReduceSum', more, [2], false)]);
      },
      next: ({ emit, pool, state: [covered = ''], row }) => [
        emit.op('Max', [covered, emit.reshape(row(pool.cosines()), emit.ints(0, -1))]),
      ],
    }),
};

/** Every token three times. */
const tripled = ({ tokens, images }: Row): Row => ({
  tokens: [...tokens, ...tokens, ...tokens],
  images: [...images, ...images, ...images],
});

describe.each([
  ['ONNX Runtime', open],
  ['its WASM build', openInWasm],
] as const)('lazyGreedy, %s, among more tokens than a turn looks at', (_, load) => {
  let lazily: InferenceSession;
  let eagerly: InferenceSession;
  beforeAll(async () => {
    lazily = await load(strategyGraph(scope, 21, 'float32'), 21);
    eagerly = await load(strategyGraph(eager, 21, 'float32'), 21);
  });
  afterAll(async () => {
    await lazily.release();
    await eagerly.release();
  });
  const same = async (rows: readonly Row[], keep: readonly number[]): Promise<void> => {
    const expected = await run(eagerly, rows, keep, 'float32');
    expect(Math.max(...expected.flat())).toBe(Math.max(...keep));
    expect(await run(lazily, rows, keep, 'float32')).toEqual(expected);
  };

  it.each([
    ['anywhere', 0],
    ['in clusters', 12],
    ['in one cluster', 1],
  ] as const)('has the picks of all looks, tokens %s', async (_where, clusters) => {
    for (let seed = 0; seed < 12; seed++) {
      const random = seededRandom(seed + 100 * clusters);
      const images = 33 + Math.floor(random() * 200);
      const row = randomRow(random, [3, images, 4], 'float32', clusters);
      await same([row], [1 + Math.floor(random() * images)]);
    }
  });

  it('gives ties among more tokens than it looks at to the lower place', async () => {
    await same([tripled(randomRow(seededRandom(5), [0, 48], 'float32'))], [100]);
    const one = { attention: 0.5, vector: [1, 2, 3, 4, 5, 6, 7, 8] };
    await same([{ tokens: Array.from({ length: 160 }, () => one), images: Array(160).fill(true) }], [90]);
  });

  it('picks all there are, row by row', async () => {
    const random = seededRandom(9);
    const rows = [
      [4, 140, 16],
      [30, 40, 20, 64, 6],
      [160, 0],
      [0, 160],
    ].map((spans) => randomRow(random, spans, 'float32', 6));
    await same(rows, [14, 90, 0, 33]);
    await same(rows, [140, 104, 0, 160]);
  });
});
