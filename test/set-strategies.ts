// What every strategy that picks a set has to do, run on a graph that is nothing but the strategy: it is compared with
// the same rule in plain TypeScript, written for one row of image tokens.
import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataType, Emitter } from '../src/onnx/index.js';
import { unitRows, type GraphStrategy } from '../src/strategies/index.js';
import { info, node, numbers, open, openInWasm, type GraphParts } from './graphs.js';
import { strategyContext } from './strategy-context.js';
import { roundTo, type FloatType } from './toy/half.js';
import { normals, seededRandom, type Random } from './toy/random.js';
import { floatTensor } from './toy/run.js';

/** A token as the rules know it. */
export interface Token {
  /** Attention that the last token pays it. */
  readonly attention: number;
  /** A key or a hidden state. */
  readonly vector: readonly number[];
  /** Its place in its row, as rules are told it. */
  readonly place?: number;
}

/**
 * A rule in plain TypeScript: the places of the picks among a row's image tokens, in the order of picking.
 * @param text the row's other tokens that are there
 */
export type Rule = (tokens: readonly Token[], count: number, text: readonly Token[]) => number[];

export interface SetOptions {
  /** Whether the picks for K are the first K of those for K + 1; default: yes. Where not, what counts is which they are. */
  readonly grows?: boolean;
}

/** One row: all its tokens, and which of them are image tokens. */
export interface Row {
  readonly tokens: readonly Token[];
  readonly images: readonly boolean[];
  /** Tokens at the beginning that are padding; default: none. */
  readonly padding?: number;
}

const SIZE = 8;

export function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0);
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  return lengths === 0 ? 0 : dot(a, b) / lengths;
}

/** Picks one after another: the token of the largest gain, the lower place first among equals. */
export function pickGreedily(
  tokens: number,
  count: number,
  gain: (place: number, picked: readonly number[]) => number,
): number[] {
  const picked: number[] = [];
  while (picked.length < Math.min(count, tokens)) {
    const left = Array.from({ length: tokens }, (_, place) => place).filter((p) => !picked.includes(p));
    const gains = left.map((place) => gain(place, picked));
    picked.push(left[gains.indexOf(Math.max(...gains))] ?? -1);
  }
  return picked;
}

/** Attention scaled to 0 … 1, as several rules want it. */
export function scaledAttention(tokens: readonly Token[]): number[] {
  const all = tokens.map(({ attention }) => attention);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  return all.map((a) => (most === least ? 0 : (a - least) / (most - least)));
}

/** Runs the tests of a strategy. */
export function describeSetStrategy(
  strategy: GraphStrategy,
  rule: Rule,
  { grows = true }: SetOptions = {},
): void {
  const runtimes = [
    ['ONNX Runtime, opset 13', open, 13, 'float32'],
    ['ONNX Runtime, opset 21', open, 21, 'float32'],
    ['ONNX Runtime, float16', open, 21, 'float16'],
    ['its WASM build', openInWasm, 21, 'float32'],
    ['its WASM build, float16', openInWasm, 21, 'float16'],
  ] as const;
  describe.each(runtimes)(`${strategy.name}: %s`, (_, load, opset, type) => {
    let session: InferenceSession;
    beforeAll(async () => {
      session = await load(strategyGraph(strategy, opset, type), opset);
    });
    afterAll(() => session.release());
    const inOrder = (places: readonly number[]): number[] =>
      grows ? [...places] : places.toSorted((a, b) => a - b);
    const picks = (rows: readonly Row[], keep: readonly number[]): Promise<number[][]> =>
      run(session, rows, keep, type).then((scores) => scores.map((row) => inOrder(picksOf(row))));
    const expected = ({ tokens, images, padding = 0 }: Row, count: number, without?: number): number[] => {
      const places = images.flatMap((image, i) => (image && i !== without ? [i] : []));
      const own = places.flatMap((place) => ({ attention: NaN, vector: [], ...tokens[place], place }));
      const text = tokens.filter((_, i) => i >= padding && images[i] === false);
      return inOrder(rule(own, count, text).map((i) => places[i] ?? -1));
    };

    it.each(['random', 'clustered'] as const)('is the rule on 200 %s rows', async (kind) => {
      for (let seed = 0; seed < 200; seed++) {
        const random = seededRandom(seed * 31 + (kind === 'random' ? 1 : 2));
        const images = 4 + Math.floor(random() * 20);
        const row = randomRow(random, [2, images, 3], type, kind === 'clustered' ? 4 : 0);
        const count = 1 + Math.floor(random() * Math.min(images, SIZE));
        expect((await picks([row], [count]))[0], `seed ${seed}`).toEqual(expected(row, count));
      }
    });

    it.runIf(grows)('picks first what it picks alone', async () => {
      const row = randomRow(seededRandom(3), [2, 12, 3], type);
      const [all = []] = await picks([row], [12]);
      for (let count = 0; count < 12; count++) {
        expect(await picks([row], [count])).toEqual([all.slice(0, count)]);
      }
    });

    it('keeps all at full budget', async () => {
      const [all = []] = await picks([randomRow(seededRandom(3), [2, 12, 3], type)], [12]);
      expect(all.toSorted((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    });

    it('does not look at padding', async () => {
      const row = { ...randomRow(seededRandom(8), [6, 12, 3], type), padding: 4 };
      expect(await picks([row], [6])).toEqual([expected(row, 6)]);
    });

    it('treats each row of a batch as if it were alone, whatever is its number of images', async () => {
      const random = seededRandom(4);
      const rows = [[3, 9, 4], [1, 4, 2, 6, 3], [0, 2, 14], [16], [0, 16]].map((spans) =>
        randomRow(random, spans, type, 3),
      );
      const keep = [5, 7, 1, 0, 6];
      // A row goes on picking until that which keeps most has its picks.
      const given = (await run(session, rows, keep, type)).map(picksOf);
      for (const [i, row] of rows.entries()) {
        const most = grows ? 7 : (keep[i] ?? 0);
        const alone = expected(row, Math.min(most, row.images.filter(Boolean).length));
        expect(inOrder(given[i]?.slice(0, most) ?? []), `row ${i}`).toEqual(alone);
      }
    });

    it('gives ties to the lower place', async () => {
      const token = { attention: 0.1, vector: [1, 2, 3, 4, 5, 6, 7, 8] };
      const row = {
        tokens: Array.from({ length: 6 }, () => token),
        images: [false, true, true, true, true, false],
      };
      expect(await picks([row], [3])).toEqual([[1, 2, 3]]);
    });

    it('cannot rank NaN: such tokens have no score, and the others are picked as if they were not there', async () => {
      const random = seededRandom(5);
      const { tokens, images } = randomRow(random, [2, 10, 3], type);
      const broken = tokens.map((token, i) => {
        if (i === 4) return { ...token, attention: NaN, vector: token.vector.map(() => NaN) };
        return token;
      });
      const [scores = []] = await run(session, [{ tokens: broken, images }], [6], type);
      expect(scores[4]).toBeNaN();
      expect(inOrder(picksOf(scores))).toEqual(expected({ tokens, images }, 6, 4));
      const none = broken.map((token) => ({ attention: NaN, vector: token.vector.map(() => NaN) }));
      const [all = []] = await run(session, [{ tokens: none, images }], [6], type);
      expect(all.slice(2, 12).every(Number.isNaN)).toBe(true);
    });

    it('takes infinite and huge numbers as they come', async () => {
      const { tokens, images } = randomRow(seededRandom(6), [1, 8, 2], type);
      const large = tokens.map(({ attention, vector }) => ({
        attention,
        // A power of two leaves float16 numbers what they are.
        vector: vector.map((x) => x * (type === 'float16' ? 2 ** 13 : 3e18)),
      }));
      expect(await picks([{ tokens: large, images }], [5])).toEqual([expected({ tokens, images }, 5)]);
      const infinite = tokens.map((token, i) =>
        i === 3 ? { ...token, vector: token.vector.map(() => Infinity) } : token,
      );
      const [given = []] = await picks([{ tokens: infinite, images }], [8]);
      expect(new Set(given).size).toBe(given.length);
      expect(given.length).toBeGreaterThanOrEqual(7);
    });
  });
}

/** Rows of text and images by turns, text first; vectors in some clusters, or anywhere. */
export function randomRow(random: Random, spans: readonly number[], type: FloatType, clusters = 0): Row {
  const centres = Array.from({ length: clusters }, () => normals(random, SIZE));
  const images = spans.flatMap((span, i) => Array.from({ length: span }, () => i % 2 === 1));
  const tokens = images.map(() => {
    const centre = centres[Math.floor(random() * clusters)];
    const own = normals(random, SIZE, centre === undefined ? 1 : 0.15);
    const vector = own.map((x, i) => x + (centre?.[i] ?? 0));
    return { attention: Math.fround(random() ** 3), vector: Array.from(roundTo(type, vector)) };
  });
  return { tokens, images };
}

/** Whether the strategy is given the tokens' vectors as keys, as hidden states or as what heads pay, it gets the same. */
export function strategyGraph(strategy: GraphStrategy, opset: number, type: FloatType): GraphParts {
  const emit = new Emitter(opset, ['attention', 'vectors', 'images', 'there', 'keep', 'scores']);
  // one KV head
  const heads = (): string => emit.unsqueeze('vectors', 1);
  const scores = strategy.score(
    strategyContext(emit, {
      imageTokenMask: 'images',
      lastRowAttention: () => 'attention',
      lastRowHeads: () => emit.transpose(emit.castToFloat('vectors'), 0, 2, 1),
      features: () => unitRows(emit, emit.castToFloat('vectors')),
      attended: () => 'there',
      keys: heads,
      values: heads,
      rotation: () => turns(emit),
      residual: () => 'vectors',
      residualBefore: () => 'vectors',
      keepCount: () => 'keep',
    }),
  );
  const axes = ['batch', 'sequence'];
  const used = new Set(emit.nodes.flatMap(({ input }) => input));
  return {
    inputs: [
      info('attention', DataType.FLOAT, axes),
      info('vectors', type === 'float16' ? DataType.FLOAT16 : DataType.FLOAT, [...axes, SIZE]),
      info('images', DataType.BOOL, axes),
      info('there', DataType.BOOL, axes),
      info('keep', DataType.INT64, ['batch']),
    ].filter(({ name }) => used.has(name)),
    outputs: [info('scores', DataType.FLOAT, axes)],
    nodes: [...emit.nodes, node('Identity', [scores], ['scores'])],
    initializers: emit.initializers,
  };
}

/** Angles of rotation at a place of the row, so many for each. */
export function anglesAt(place: number): number[] {
  return [1, 0.3, 0.1].map((frequency) => place * frequency);
}

/** Their cosines and sines: float32 [1, sequence, angles]. */
function turns(emit: Emitter): { cos: string; sin: string } {
  const places = emit.castToFloat(emit.range(emit.dim('images', 1)));
  const angles = anglesAt(1).map((frequency) => emit.op('Mul', [places, emit.float(frequency)]));
  const of = (opType: 'Cos' | 'Sin'): string => {
    const columns = angles.map((x) => emit.unsqueeze(emit.op(opType, [x]), 0, 2));
    return emit.concat(columns, 2);
  };
  return { cos: of('Cos'), sin: of('Sin') };
}

/** The scores of each row. */
export async function run(
  session: InferenceSession,
  rows: readonly Row[],
  keep: readonly number[],
  type: FloatType,
): Promise<number[][]> {
  const length = rows[0]?.tokens.length ?? 0;
  const dims = [rows.length, length];
  const tokens = rows.flatMap((row) => row.tokens);
  const vectors = Float32Array.from(tokens.flatMap(({ vector }) => vector));
  const feeds: Record<string, Tensor> = {
    attention: new Tensor('float32', Float32Array.from(tokens.map(({ attention }) => attention)), dims),
    vectors: floatTensor(type, vectors, [...dims, SIZE]),
    images: new Tensor(
      'bool',
      Uint8Array.from(
        rows.flatMap(({ images }) => images),
        Number,
      ),
      dims,
    ),
    there: new Tensor(
      'bool',
      Uint8Array.from(
        rows.flatMap(({ images, padding = 0 }) => images.map((_, i) => i >= padding)),
        Number,
      ),
      dims,
    ),
    keep: new Tensor('int64', BigInt64Array.from(keep, BigInt), [rows.length]),
  };
  const wanted = Object.entries(feeds).filter(([name]) => session.inputNames.includes(name));
  const scores = numbers(await session.run(Object.fromEntries(wanted)), 'scores');
  return rows.map((_, i) => scores.slice(i * length, (i + 1) * length));
}

/** The places with a score above 0, the highest first. */
function picksOf(scores: readonly number[]): number[] {
  return scores
    .flatMap((score, place) => (score > 0 ? [{ score, place }] : []))
    .sort((a, b) => b.score - a.score)
    .map(({ place }) => place);
}
