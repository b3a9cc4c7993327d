import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { info, node, numbers, open, openInWasm } from '../../test/graphs.js';
import { strategyContext } from '../../test/strategy-context.js';
import { normals, seededRandom } from '../../test/toy/random.js';
import { DataType, Emitter } from '../onnx/index.js';
import { divprune } from './divprune.js';
import { unitRows } from './features.js';
import { sharedOut } from './pool.js';

const SIZE = 6;

interface Token {
  readonly image: number;
  readonly weight: number;
  readonly score: number;
  readonly vector: readonly number[];
}

/** How many seats each party gets of so many, one at least: the highest averages, one seat after another. */
function seats(
  parties: readonly { readonly members: number; readonly weight: number }[],
  all: number,
): number[] {
  const given = parties.map(() => 0);
  for (let seat = 0; seat < all; seat++) {
    const wants = parties.map(({ members, weight }, i) => {
      const own = given[i] ?? 0;
      if (own >= members) return -1;
      return own === 0 ? 1024 + weight : weight / (own + 0.5);
    });
    const first = wants.indexOf(Math.max(...wants));
    if ((wants[first] ?? -1) >= 0) given[first] = (given[first] ?? 0) + 1;
  }
  return given;
}

/** Max-min diversity, as divprune's own test has it. */
function farthest(tokens: readonly Token[], count: number): number[] {
  const cosine = (a: Token, b: Token): number => {
    const dot = (x: Token, y: Token): number =>
      x.vector.reduce((sum, v, i) => sum + v * (y.vector[i] ?? 0), 0);
    return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  };
  const picked: number[] = [];
  const nearest = (i: number, others: readonly number[]): number =>
    Math.min(
      ...others.map((j) => {
        const [a, b] = [tokens[i], tokens[j]];
        return a === undefined || b === undefined ? NaN : 1 - cosine(a, b);
      }),
    );
  while (picked.length < Math.min(count, tokens.length)) {
    const left = tokens.map((_, i) => i).filter((i) => !picked.includes(i));
    const gains = left.map((i) =>
      nearest(i, picked.length === 0 ? tokens.map((_, j) => j).filter((j) => j !== i) : picked),
    );
    picked.push(left[gains.indexOf(Math.max(...gains))] ?? -1);
  }
  return picked;
}

describe.each([
  ['ONNX Runtime', open, 13],
  ['its WASM build', openInWasm, 21],
] as const)('shares of images: %s', (_, load, opset) => {
  it.each(['scores', 'picks'] as const)('give each its own best, by %s', async (kind) => {
    const emit = new Emitter(opset, ['images', 'image', 'weight', 'scores', 'vectors', 'keep', 'shared']);
    const context = strategyContext(emit, {
      imageTokenMask: 'images',
      perImage: () => ({ image: 'image', weight: 'weight' }),
      features: () => unitRows(emit, 'vectors'),
      keepCount: () => 'keep',
    });
    const shared = sharedOut(context, kind === 'scores' ? 'scores' : divprune.score(context));
    const axes = ['batch', 'sequence'];
    const used = new Set(emit.nodes.flatMap(({ input }) => input));
    const session = await load(
      {
        inputs: [
          info('images', DataType.BOOL, axes),
          info('image', DataType.INT64, axes),
          info('weight', DataType.FLOAT, axes),
          info('scores', DataType.FLOAT, axes),
          info('vectors', DataType.FLOAT, [...axes, SIZE]),
          info('keep', DataType.INT64, ['batch']),
        ].filter(({ name }) => used.has(name)),
        outputs: [info('shared', DataType.FLOAT, axes)],
        nodes: [...emit.nodes, node('Identity', [shared], ['shared'])],
        initializers: emit.initializers,
      },
      opset,
    );
    for (let seed = 0; seed < 60; seed++) {
      const random = seededRandom(seed + 1);
      const length = 24;
      // rows of one, two and three images with text between them, the last row without any
      const rows = [1, 2, 3, 0].map((images) => {
        const weights = [0, 1, 2, 3].map(() => 0.2 + 0.8 * random());
        return Array.from({ length }, (_token, i): Token => {
          const image =
            i % 6 < 2 ? 0 : Math.min(images, Math.floor((i * images) / length) + (images > 0 ? 1 : 0));
          return {
            image,
            weight: weights[image] ?? 1,
            score: Math.fround(random()),
            vector: Array.from(normals(random, SIZE)),
          };
        });
      });
      const keep = rows.map((row) =>
        Math.floor(random() * (row.filter(({ image }) => image > 0).length + 1)),
      );
      const flat = rows.flat();
      const dims = [rows.length, length];
      const all: Record<string, Tensor> = {
        images: new Tensor(
          'bool',
          Uint8Array.from(flat, ({ image }) => (image > 0 ? 1 : 0)),
          dims,
        ),
        image: new Tensor(
          'int64',
          BigInt64Array.from(flat, ({ image }) => BigInt(image)),
          dims,
        ),
        weight: new Tensor(
          'float32',
          Float32Array.from(flat, ({ weight }) => weight),
          dims,
        ),
        scores: new Tensor(
          'float32',
          Float32Array.from(flat, ({ score }) => score),
          dims,
        ),
        vectors: new Tensor('float32', Float32Array.from(flat.flatMap(({ vector }) => vector)), [
          ...dims,
          SIZE,
        ]),
        keep: new Tensor('int64', BigInt64Array.from(keep, BigInt), [rows.length]),
      };
      const feeds = Object.fromEntries(
        Object.entries(all).filter(([name]) => session.inputNames.includes(name)),
      );
      const given = numbers(await session.run(feeds), 'shared');
      rows.forEach((row, r) => {
        const own = given.slice(r * length, (r + 1) * length);
        const count = keep[r] ?? 0;
        const places = row.flatMap(({ image }, i) => (image > 0 ? [i] : []));
        const best = places.toSorted((a, b) => (own[b] ?? 0) - (own[a] ?? 0) || a - b).slice(0, count);
        const images = [...new Set(places.map((i) => row[i]?.image ?? 0))];
        const members = images.map((image) => places.filter((i) => row[i]?.image === image));
        const quota = seats(
          members.map((of) => ({ members: of.length, weight: row[of[0] ?? 0]?.weight ?? 0 })),
          count,
        );
        const expected = members.flatMap((of, i) => {
          const tokens = of.flatMap((place) => row[place] ?? []);
          const order =
            kind === 'picks'
              ? farthest(tokens, quota[i] ?? 0)
              : tokens
                  .map((_token, j) => j)
                  .sort((a, b) => (tokens[b]?.score ?? 0) - (tokens[a]?.score ?? 0));
          return order.slice(0, quota[i]).map((j) => of[j] ?? -1);
        });
        expect(
          best.toSorted((a, b) => a - b),
          `seed ${seed}, row ${r}`,
        ).toEqual(expected.sort((a, b) => a - b));
      });
    }
    await session.release();
  });
});
