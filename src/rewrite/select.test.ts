import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { info, node, numbers, open } from '../../test/graphs.js';
import { seededRandom } from '../../test/toy/random.js';
import { keptTokens } from '../cost/stages.js';
import { DataType, Emitter } from '../onnx/index.js';
import { shareBudget } from './budget.js';
import { select } from './select.js';

const RATIOS = [0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.75, 0.9, 1];
const LOWEST = -3.4028234663852886e38;

interface Row {
  readonly scores: readonly number[];
  readonly images: readonly boolean[];
  /** Lost to an earlier stage of masking mode. */
  readonly lost?: readonly boolean[];
}

/** A graph that is nothing but the selection. */
function selection(opset: number, withLost: boolean): Promise<InferenceSession> {
  const emit = new Emitter(opset, ['scores', 'images', 'lost', 'ratio', 'kept']);
  const lost = withLost ? 'lost' : undefined;
  const { indices } = select(emit, 'scores', 'images', shareBudget(emit, 'ratio', 'float64'), lost);
  const axes = ['batch', 'sequence'];
  return open(
    {
      inputs: [
        info('scores', DataType.FLOAT, axes),
        info('images', DataType.BOOL, axes),
        info('ratio', DataType.FLOAT, []),
        ...(withLost ? [info('lost', DataType.BOOL, axes)] : []),
      ],
      outputs: [info('kept', DataType.INT64, ['batch', 'kept'])],
      nodes: [...emit.nodes, node('Identity', [indices], ['kept'])],
      initializers: emit.initializers,
    },
    opset,
  );
}

async function run(session: InferenceSession, rows: readonly Row[], ratio: number): Promise<number[][]> {
  const length = rows[0]?.scores.length ?? 0;
  const dims = [rows.length, length];
  const bools = (of: (row: Row) => readonly boolean[]): Tensor =>
    new Tensor('bool', Uint8Array.from(rows.flatMap(of), Number), dims);
  const outputs = await session.run({
    scores: new Tensor('float32', Float32Array.from(rows.flatMap(({ scores }) => scores)), dims),
    images: bools(({ images }) => images),
    ratio: new Tensor('float32', [ratio], []),
    ...(session.inputNames.includes('lost') ? { lost: bools(({ lost }) => lost ?? []) } : {}),
  });
  const kept = numbers(outputs, 'kept');
  const width = kept.length / rows.length;
  return rows.map((_, i) => kept.slice(i * width, (i + 1) * width));
}

/** The same in plain TypeScript. */
function expected(rows: readonly Row[], ratio: number): number[][] {
  const places = ({ images }: Row): number[] => images.flatMap((image, i) => (image ? [i] : []));
  const score = (row: Row, i: number): number => row.scores[i] ?? 0;
  /** The image tokens that may go: not the last token, and none where no score is a number. */
  const droppable = (row: Row): number[] => {
    const others = places(row).filter((i) => i < row.scores.length - 1);
    return others.some((i) => !Number.isNaN(score(row, i))) ? others : [];
  };
  const dropped = Math.min(
    ...rows.map((row) => {
      const n = places(row).length;
      return Math.min(n - keptTokens(n, ratio), droppable(row).length);
    }),
  );
  const worth = (value: number): number =>
    Number.isNaN(value) ? LOWEST : Math.min(-LOWEST, Math.max(LOWEST, Math.fround(value)));
  return rows.map((row) => {
    const worst = droppable(row).toSorted((a, b) => worth(score(row, a)) - worth(score(row, b)) || b - a);
    const gone = new Set(worst.slice(0, dropped));
    return row.images.flatMap((_, i) => (gone.has(i) || row.lost?.[i] === true ? [] : [i]));
  });
}

/** Text, images, text, images, text; few distinct scores, so that many are equal. */
function randomRow(length: number, images: number, seed: number): Row {
  const random = seededRandom(seed);
  const values = [0, 0, 0.25, 0.5, 0.5, -1, 1e-30, 3e38, NaN, Infinity, -Infinity];
  const order = Array.from({ length }, (_, i) => ({ i, at: random() })).sort((a, b) => a.at - b.at);
  const chosen = new Set(order.slice(0, images).map(({ i }) => i));
  return {
    scores: Array.from({ length }, () => values[Math.floor(random() * values.length)] ?? 0),
    images: Array.from({ length }, (_, i) => chosen.has(i)),
  };
}

describe.each([13, 21])('select, opset %i', (opset) => {
  let session: InferenceSession;
  let masking: InferenceSession;
  beforeAll(async () => {
    session = await selection(opset, false);
    masking = await selection(opset, true);
  });

  it.each(RATIOS)('keeps round-half-even(n · (1 − R)) of n = 0…60, the highest scores: R = %d', async (r) => {
    for (let n = 0; n <= 60; n++) {
      const row = randomRow(n + 5, n, n * 31 + 7);
      const [kept = []] = await run(session, [row], r);
      expect([kept], `n = ${n}`).toEqual(expected([row], r));
      expect(kept.length).toBeGreaterThanOrEqual(5 + keptTokens(n, r));
    }
  });

  it('gives ties to the lower index', async () => {
    const row = { scores: [1, 1, 1, 1, 1, 1], images: [false, true, true, true, true, false] };
    expect(await run(session, [row], 0.5)).toEqual([[0, 1, 2, 5]]);
  });

  it('ranks NaN and minus infinity lowest, infinity highest', async () => {
    const row = { scores: [NaN, -Infinity, -3e38, Infinity], images: [true, true, true, true] };
    expect(await run(session, [row], 0.5)).toEqual([[2, 3]]);
    expect(await run(session, [row], 0.25)).toEqual([[0, 2, 3]]);
  });

  it('never ranks a row of NaN by place: it keeps its image tokens, and its batch with it', async () => {
    const unknown = { scores: [NaN, NaN, NaN, NaN, NaN, 0], images: [false, true, true, true, true, false] };
    const known = { scores: [0, 1, 2, 3, 4, 0], images: unknown.images };
    for (const r of [0.25, 0.5, 1]) {
      expect(await run(session, [unknown], r)).toEqual([[0, 1, 2, 3, 4, 5]]);
      expect(await run(session, [known, unknown], r)).toEqual([
        [0, 1, 2, 3, 4, 5],
        [0, 1, 2, 3, 4, 5],
      ]);
    }
    // NaN that belongs to text says nothing of the image.
    const text = { ...known, scores: [NaN, 1, 2, 3, 4, NaN] };
    expect(await run(session, [text], 0.5)).toEqual([[0, 3, 4, 5]]);
  });

  it('ranks infinite values as the largest and smallest numbers', async () => {
    const infinite = (sign: number): Row => ({
      scores: [0, sign * Infinity, sign * Infinity, 0, 0],
      images: [false, true, true, true, false],
    });
    expect(await run(session, [infinite(1)], 0.66)).toEqual([[0, 1, 4]]);
    expect(await run(session, [infinite(-1)], 0.66)).toEqual([[0, 3, 4]]);
  });

  it('keeps the last token where it is an image token: the first of the kept places is its', async () => {
    const row = { scores: [9, 4, 3, 2, 1], images: [false, true, true, true, true] };
    expect(await run(session, [row], 0.25)).toEqual([[0, 1, 2, 4]]);
    expect(await run(session, [row], 0.5)).toEqual([[0, 1, 4]]);
    expect(await run(session, [row], 0.75)).toEqual([[0, 4]]);
    expect(await run(session, [row], 1)).toEqual([[0, 4]]);
  });

  it('keeps the last of nothing but image tokens at R = 1, and the one token of a decoding step', async () => {
    const image = { scores: [4, 3, 2, 1], images: [true, true, true, true] };
    expect(await run(session, [image], 1)).toEqual([[3]]);
    expect(await run(session, [image], 0.9)).toEqual([[3]]);
    const step = { scores: [1], images: [true] };
    for (const r of RATIOS) expect(await run(session, [step], r)).toEqual([[0]]);
  });

  it('counts an image token at the end of a batch’s row among those that the row keeps', async () => {
    const ends = { scores: [0, 4, 3, 2, 1], images: [false, true, true, true, true] };
    const text = { scores: [0, 4, 3, 2, 1], images: [true, true, true, true, false] };
    expect(await run(session, [ends, text], 0.5)).toEqual([
      [0, 1, 4],
      [1, 2, 4],
    ]);
    // The first row may drop three, so the second drops no more.
    expect(await run(session, [ends, text], 1)).toEqual([
      [0, 4],
      [1, 4],
    ]);
  });

  it('never drops text, however low its score', async () => {
    const row = { scores: [-Infinity, 5, 5, NaN], images: [false, true, true, false] };
    expect(await run(session, [row], 1)).toEqual([[0, 3]]);
  });

  it('cuts a batch to one length by keeping more than a row’s quota', async () => {
    for (const r of RATIOS) {
      for (const counts of [[20, 8, 13], [5, 5, 5], [9, 0, 4], [30]]) {
        const rows = counts.map((n, i) => randomRow(30, n, n + i));
        expect(await run(session, rows, r)).toEqual(expected(rows, r));
      }
    }
  });

  it('keeps everything where no token is an image token', async () => {
    const row = { scores: [1, 2, 3], images: [false, false, false] };
    for (const r of [0, 0.5, 1]) expect(await run(session, [row], r)).toEqual([[0, 1, 2]]);
  });

  it('takes R below 0 for 0, and above 1 for 1', async () => {
    const row = { scores: [3, 1, 2], images: [true, true, false] };
    expect(await run(session, [row], -0.5)).toEqual([[0, 1, 2]]);
    expect(await run(session, [row], 7)).toEqual([[2]]);
  });

  it('does not count what an earlier stage has lost', async () => {
    for (const r of RATIOS) {
      const rows = [3, 4].map((seed) => {
        const { scores, images } = randomRow(20, 14, seed);
        const lost = images.map((image, i) => image && images.slice(0, i).filter(Boolean).length < 6);
        return { scores, lost, images: images.map((image, i) => image && !(lost[i] ?? false)) };
      });
      expect(await run(masking, rows, r)).toEqual(expected(rows, r));
    }
  });
});
