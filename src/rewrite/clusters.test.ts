import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { info, node, numbers, open, openInWasm } from '../../test/graphs.js';
import { rewriteToy } from '../../test/rewritten.js';
import { prefillAndDecode } from '../../test/toy/compare.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { normals, seededRandom } from '../../test/toy/random.js';
import { maxDifference, ToySession, type CallResult } from '../../test/toy/run.js';
import { DataType, decodeModel, Emitter } from '../onnx/index.js';
import { clustersOf, meansOf, runsOfImages } from './clusters.js';
import { rewriteDecoder } from './rewrite-decoder.js';

const SIZE = 6;

/** A graph that is nothing but the clusters and the means of the residual stream itself. */
function graph(opset: number): Parameters<typeof open>[0] {
  const emit = new Emitter(opset, ['residual', 'images', 'before', 'kept', 'own', 'sizes', 'means']);
  const clusters = clustersOf(emit, {
    residual: 'residual',
    images: 'images',
    segments: runsOfImages(emit, 'images'),
    sizes: 'before',
    kept: 'kept',
  });
  const means = meansOf(emit, clusters, 'residual', 'own', DataType.FLOAT);
  const axes = ['batch', 'sequence'];
  return {
    inputs: [
      info('residual', DataType.FLOAT, [...axes, SIZE]),
      info('images', DataType.BOOL, axes),
      info('before', DataType.FLOAT, axes),
      info('kept', DataType.INT64, ['batch', 'kept']),
      info('own', DataType.FLOAT, ['batch', 'kept', SIZE]),
    ],
    outputs: [
      info('sizes', DataType.FLOAT, ['batch', 'kept']),
      info('means', DataType.FLOAT, ['batch', 'kept', SIZE]),
    ],
    nodes: [
      ...emit.nodes,
      node('Identity', [clusters.sizes], ['sizes']),
      node('Identity', [means], ['means']),
    ],
    initializers: emit.initializers,
  };
}

interface Row {
  readonly residual: readonly Float32Array[];
  readonly images: readonly boolean[];
  readonly before: readonly number[];
  readonly kept: readonly number[];
}

async function run(session: InferenceSession, { residual, images, before, kept }: Row): Promise<number[][]> {
  const n = images.length;
  const flat = (rows: readonly Float32Array[]): Float32Array =>
    Float32Array.from(rows.flatMap((r) => [...r]));
  const outputs = await session.run({
    residual: new Tensor('float32', flat(residual), [1, n, SIZE]),
    images: new Tensor('bool', Uint8Array.from(images, Number), [1, n]),
    before: new Tensor('float32', Float32Array.from(before), [1, n]),
    kept: new Tensor('int64', BigInt64Array.from(kept, BigInt), [1, kept.length]),
    own: new Tensor('float32', flat(kept.map((i) => residual[i] ?? new Float32Array(SIZE))), [
      1,
      kept.length,
      SIZE,
    ]),
  });
  return [numbers(outputs, 'sizes'), numbers(outputs, 'means')];
}

/** The same in plain TypeScript. */
function expected({ residual, images, before, kept }: Row): { sizes: number[]; means: number[][] } {
  const image = (i: number): number => {
    let run = 0;
    for (let at = 0; at <= i; at++) if (images[at] === true && images[at - 1] !== true) run++;
    return run;
  };
  const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
  const of = (i: number): Float32Array => residual[i] ?? new Float32Array(SIZE);
  const cosine = (i: number, j: number): number =>
    dot(of(i), of(j)) / Math.sqrt(dot(of(i), of(i)) * dot(of(j), of(j)));
  const members = new Map(kept.map((i) => [i, [i]]));
  images.forEach((is, i) => {
    if (!is || members.has(i)) return;
    const own = kept.filter((j) => images[j] === true && image(j) === image(i));
    const best = own.toSorted((a, b) => cosine(i, b) - cosine(i, a) || a - b)[0];
    if (best !== undefined) members.get(best)?.push(i);
  });
  const size = (i: number): number => (members.get(i) ?? []).reduce((sum, j) => sum + (before[j] ?? 0), 0);
  const mean = (i: number): number[] =>
    Array.from({ length: SIZE }, (_, d) =>
      (members.get(i) ?? []).reduce((sum, j) => sum + ((of(j)[d] ?? 0) * (before[j] ?? 0)) / size(i), 0),
    );
  return { sizes: kept.map(size), means: kept.map(mean) };
}

/** Which of the two images of a random row a token is of. */
function imageOf({ images }: Row, place: number): number {
  return images.slice(images.indexOf(true), place).includes(false) ? 1 : 0;
}

/** Text and images by turns; all text and some image tokens are kept. */
function randomRow(seed: number): Row {
  const random = seededRandom(seed);
  const spans = [2, 4 + Math.floor(random() * 8), 1, 3 + Math.floor(random() * 5), 3];
  const images = spans.flatMap((span, i) => Array.from({ length: span }, () => i % 2 === 1));
  const kept = images.flatMap((is, i) => (!is || random() < 0.3 ? [i] : []));
  const residual = images.map(() => normals(random, SIZE));
  return { residual, images, before: images.map((is) => (is ? 1 + Math.floor(random() * 3) : 1)), kept };
}

describe.each([
  ['ONNX Runtime, opset 13', open, 13],
  ['ONNX Runtime, opset 21', open, 21],
  ['its WASM build', openInWasm, 21],
] as const)('clusters: %s', (_, load, opset) => {
  let session: InferenceSession;
  beforeAll(async () => {
    session = await load(graph(opset), opset);
  });

  it('join the most like kept token of their image, and sizes sum to n in each', async () => {
    for (let seed = 0; seed < 200; seed++) {
      const row = randomRow(seed);
      const [sizes = [], means = []] = await run(session, row);
      const right = expected(row);
      expect(sizes, `seed ${seed}`).toEqual(right.sizes);
      for (const [i, mean] of means.entries()) expect(mean).toBeCloseTo(right.means.flat()[i] ?? NaN, 4);
      const keepsBoth = [0, 1].every((image) =>
        row.kept.some((k) => row.images[k] === true && imageOf(row, k) === image),
      );
      if (keepsBoth) expect(sizes.reduce((a, b) => a + b, 0)).toBe(row.before.reduce((a, b) => a + b, 0));
    }
  });

  it('give ties to the lower place, and count every token of an image that keeps one', async () => {
    const same = new Float32Array(SIZE).fill(1);
    const images = [false, true, true, true, true, false];
    const row = { residual: images.map(() => same), images, before: images.map(() => 1), kept: [0, 2, 4, 5] };
    expect((await run(session, row))[0]).toEqual([1, 3, 1, 1]);
  });

  it('leave text alone, whatever numbers dropped tokens and padding hold', async () => {
    const row = randomRow(3);
    const residual = row.residual.map((r, i) => (i === 0 || i === 4 ? r.map(() => NaN) : r));
    const [sizes = [], means = []] = await run(session, {
      ...row,
      residual,
      kept: [0, 1, 3, ...row.kept.filter((i) => i > 4)],
    });
    expect(sizes.every((s) => s >= 1)).toBe(true);
    expect(means.slice(0, SIZE).every(Number.isNaN)).toBe(true);
    expect(means.slice(SIZE, 2 * SIZE)).toEqual([...(row.residual[1] ?? [])]);
  });
});

describe('tokens that stand for others', () => {
  const both = { weights: 'sizes', merge: 'mean' } as const;

  it.each([
    'gqa',
    'gqa softcap',
    'mha',
    'attention23',
    'eager',
    'gqa float16',
    'attention23 float16',
    'gqa int4',
  ])('are themselves at R = 0: %s', async (family) => {
    const { config } = toyFamily(family);
    const decoder = toyDecoder(config);
    const logits = async (bytes: Uint8Array, ratios?: readonly number[]): Promise<CallResult[]> => {
      const toy = await ToySession.create(config, bytes);
      const conversation = toy.conversation(1);
      const results: CallResult[] = [];
      for (const call of prefillAndDecode(config, [[4, 12, 5]], [0])) {
        results.push(await conversation.call(call.rows, ratios === undefined ? {} : { ratios }));
      }
      await toy.release();
      return results;
    };
    const before = await logits(decoder.bytes);
    const after = await logits(rewriteToy(decoder, { stages: [{ layer: 2 }], ...both }), [0]);
    after.forEach((result, i) => {
      const tolerance = config.dtype === 'float32' ? 1e-5 : 2e-2;
      expect(maxDifference(result.logits[0] ?? [], before[i]?.logits[0] ?? [])).toBeLessThan(tolerance);
    });
  });

  it('are as if dropped where nothing is left of an image to join', async () => {
    const { config } = toyFamily('gqa');
    const decoder = toyDecoder(config);
    const [call] = prefillAndDecode(config, [[4, 12, 5]], [1], 0);
    const logits: Float32Array[][] = [];
    for (const standing of [{}, both]) {
      const toy = await ToySession.create(
        config,
        rewriteToy(decoder, { stages: [{ layer: 2 }], ...standing }),
      );
      const result = await toy.conversation(1).call(call?.rows ?? [], { ratios: [1] });
      logits.push(result.logits[0] ?? []);
      await toy.release();
    }
    expect(maxDifference(logits[0] ?? [], logits[1] ?? [])).toBeLessThan(1e-6);
  });

  it('are what float16 decoders give too, to rounding', async () => {
    const { config } = toyFamily('gqa float16');
    const decoder = toyDecoder(config);
    const toy = await ToySession.create(config, rewriteToy(decoder, { stages: [{ layer: 2 }], ...both }));
    const conversation = toy.conversation(2);
    for (const call of prefillAndDecode(
      config,
      [
        [4, 12, 5],
        [2, 15, 4],
      ],
      [0.75],
    )) {
      const result = await conversation.call(call.rows, { ratios: [0.75] });
      expect(result.logits.flat().every((row) => row.every(Number.isFinite))).toBe(true);
    }
    await toy.release();
  });

  it.each([
    ['masking', { mode: 'mask', weights: 'sizes' } as const, 'mode'],
    ['weights of another kind', { weights: 'size' as 'sizes' }, 'weights'],
    ['means of another kind', { merge: 'sum' as 'mean' }, 'merge'],
  ])('are refused with %s', (_, options, where) => {
    const model = decodeModel(toyDecoder(toyFamily('gqa').config).bytes);
    expect(() => rewriteDecoder(model, { stages: [{ layer: 2 }], ...options })).toThrow(
      expect.objectContaining({ code: 'invalid-option', where }),
    );
  });

  it('are in the report, with what layer K−1 computes for them', () => {
    const model = decodeModel(toyDecoder(toyFamily('eager').config).bytes);
    const of = (standing: object): unknown =>
      rewriteDecoder(model, { stages: [{ layer: 1 }, { layer: 3 }], ...standing }).report;
    expect(of({ weights: 'sizes' })).toMatchObject({
      weights: 'sizes',
      stages: [{ queries: 'kept' }, { queries: 'all', queriesReason: 'its attention weighs its keys' }],
    });
    expect(of(both)).toMatchObject({ merge: 'mean', stages: [{ queries: 'all' }, { queries: 'all' }] });
  });
});
