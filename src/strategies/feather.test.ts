import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { info, node, numbers, open, openInWasm, type GraphParts } from '../../test/graphs.js';
import { strategyContext } from '../../test/strategy-context.js';
import { normals, seededRandom } from '../../test/toy/random.js';
import { DataType, Emitter } from '../onnx/index.js';
import { feather } from './feather.js';

const [HEADS, KV_HEADS, SIZE] = [4, 2, 8];
/** Text, a grid of four rows and five columns, text. */
const [BEFORE, ROWS, COLUMNS, BEHIND] = [2, 4, 5, 3];
const IMAGE = ROWS * COLUMNS;
const LENGTH = BEFORE + IMAGE + BEHIND;
/** The first token is padding. */
const there = Array.from({ length: LENGTH }, (_, i) => i > 0);
const isImage = (i: number): boolean => i >= BEFORE && i < BEFORE + IMAGE;

function graph(opset: number): GraphParts {
  const emit = new Emitter(opset, ['query', 'keys', 'images', 'there', 'keep', 'row', 'column', 'scores']);
  const scores = feather.score(
    strategyContext(emit, {
      imageTokenMask: 'images',
      attended: () => 'there',
      unrotatedQuery: () => 'query',
      unrotatedKeys: () => 'keys',
      segments: () => ({ image: '', grid: { row: 'row', column: 'column' } }),
      keepCount: () => 'keep',
    }),
  );
  const axes = ['batch', 'sequence'];
  return {
    inputs: [
      info('query', DataType.FLOAT, ['batch', HEADS, 1, SIZE]),
      info('keys', DataType.FLOAT, ['batch', KV_HEADS, 'sequence', SIZE]),
      ...['images', 'there'].map((name) => info(name, DataType.BOOL, axes)),
      ...['row', 'column'].map((name) => info(name, DataType.INT64, axes)),
      info('keep', DataType.INT64, ['batch']),
    ],
    outputs: [info('scores', DataType.FLOAT, axes)],
    nodes: [...emit.nodes, node('Identity', [scores], ['scores'])],
    initializers: emit.initializers,
  };
}

/** The rule: half of the places to the grid's tokens, by attention, the others to any by attention. */
function expected(query: Float32Array, keys: Float32Array, count: number): number[] {
  const heads = Array.from({ length: HEADS }, (_, head) => {
    const group = Math.floor(head / (HEADS / KV_HEADS));
    const scores = there.map((is, i) => {
      const at = (group * LENGTH + i) * SIZE;
      const dot = keys
        .subarray(at, at + SIZE)
        .reduce((sum, x, d) => sum + x * (query[head * SIZE + d] ?? NaN), 0);
      return is ? dot / Math.sqrt(SIZE) : -Infinity;
    });
    const exps = scores.map((x) => Math.exp(x - Math.max(...scores)));
    return exps.map((x) => x / exps.reduce((a, b) => a + b, 0));
  });
  const attention = there.map((_, i) => heads.reduce((sum, row) => sum + (row[i] ?? NaN) / HEADS, 0));
  const byAttention = there.flatMap((_, i) => (isImage(i) ? [i] : []));
  byAttention.sort((a, b) => (attention[b] ?? 0) - (attention[a] ?? 0));
  const strided = byAttention.filter((i) => {
    const [row, column] = [Math.floor((i - BEFORE) / COLUMNS), (i - BEFORE) % COLUMNS];
    return row % 3 === 0 && column % 3 === 0;
  });
  const first = strided.slice(0, Math.floor(count / 2));
  return [...first, ...byAttention.filter((i) => !first.includes(i))]
    .slice(0, count)
    .toSorted((a, b) => a - b);
}

describe.each([
  ['ONNX Runtime, opset 13', open, 13],
  ['ONNX Runtime, opset 21', open, 21],
  ['its WASM build', openInWasm, 21],
] as const)('feather: %s', (_, load, opset) => {
  let session: InferenceSession;
  beforeAll(async () => {
    session = await load(graph(opset), opset);
  });
  afterAll(() => session.release());

  it.each(['random', 'clustered'] as const)('is the rule on 200 %s rows', async (kind) => {
    for (let seed = 0; seed < 100; seed++) {
      const random = seededRandom(seed * 41 + (kind === 'random' ? 1 : 2));
      const centre = normals(random, SIZE, kind === 'random' ? 0 : 2);
      const rows = [0, 1].map(() => ({
        query: normals(random, HEADS * SIZE),
        keys: normals(random, KV_HEADS * LENGTH * SIZE, kind === 'random' ? 1 : 0.3).map(
          (x, i) => x + (centre[i % SIZE] ?? 0),
        ),
        count: Math.floor(random() * (IMAGE + 1)),
      }));
      const both = <T>(values: readonly T[]): T[] => [...values, ...values];
      const outputs = await session.run({
        query: new Tensor('float32', Float32Array.from(rows.flatMap(({ query }) => [...query])), [
          2,
          HEADS,
          1,
          SIZE,
        ]),
        keys: new Tensor('float32', Float32Array.from(rows.flatMap(({ keys }) => [...keys])), [
          2,
          KV_HEADS,
          LENGTH,
          SIZE,
        ]),
        images: new Tensor('bool', Uint8Array.from(both(there.map((_is, i) => (isImage(i) ? 1 : 0)))), [
          2,
          LENGTH,
        ]),
        there: new Tensor('bool', Uint8Array.from(both(there.map(Number))), [2, LENGTH]),
        row: places((i) => Math.floor(i / COLUMNS)),
        column: places((i) => i % COLUMNS),
        keep: new Tensor('int64', BigInt64Array.from(rows.map(({ count }) => BigInt(count))), [2]),
      });
      const scores = numbers(outputs, 'scores');
      for (const [i, { query, keys, count }] of rows.entries()) {
        const own = scores.slice(i * LENGTH, (i + 1) * LENGTH);
        const kept = own
          .flatMap((score, place) => (isImage(place) ? [{ score, place }] : []))
          .sort((a, b) => b.score - a.score)
          .slice(0, count)
          .map(({ place }) => place)
          .sort((a, b) => a - b);
        expect(kept, `seed ${seed}, row ${i}`).toEqual(expected(query, keys, count));
      }
    }
  });
});

/** Rows or columns of both rows of the batch; −1 beside the image. */
function places(of: (index: number) => number): Tensor {
  const one = there.map((_, i) => BigInt(isImage(i) ? of(i - BEFORE) : -1));
  return new Tensor('int64', BigInt64Array.from([...one, ...one]), [2, LENGTH]);
}

describe('feather', () => {
  it('ranks by attention as it is at a later stage', () => {
    const emit = new Emitter(17, []);
    const context = strategyContext(emit, { stage: 1, lastRowAttention: () => 'attention' });
    expect(feather.score(context)).toBe('attention');
  });
});
