// What every strategy that gives each token a number has to do, run on a graph that is nothing but the strategy: it is
// compared with the same rule in plain TypeScript, written for one token.
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataType, Emitter } from '../src/onnx/index.js';
import type { GraphStrategy } from '../src/strategies/index.js';
import { info, node, numbers, open, openInWasm, type GraphParts } from './graphs.js';
import { strategyContext } from './strategy-context.js';
import { roundTo } from './toy/half.js';
import { normals, seededRandom, type Random } from './toy/random.js';
import { floatTensor } from './toy/run.js';

/** A token as the rules know it. */
export interface ScoredToken {
  /** Its key at layer K−1, one a KV head. */
  readonly keys: readonly (readonly number[])[];
  /** The residual stream before layer K−1 and behind it. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const HEADS = 3;
const SIZE = 8;
type FloatType = 'float32' | 'float16';

/** Runs the tests of a strategy. */
export function describeScoreStrategy(strategy: GraphStrategy, rule: (token: ScoredToken) => number): void {
  const runtimes = [
    ['ONNX Runtime, opset 13', open, 13],
    ['ONNX Runtime, opset 21', open, 21],
    ['its WASM build', openInWasm, 21],
  ] as const;
  const cases = runtimes.flatMap((one) =>
    (['float32', 'float16'] as const).map((type) => [...one, type] as const),
  );
  describe.each(cases)(`${strategy.name}: %s`, (_, load, opset, type) => {
    let session: InferenceSession;
    beforeAll(async () => {
      session = await load(strategyGraph(strategy, opset, type), opset);
    });
    afterAll(() => session.release());

    it.each(['random', 'clustered'] as const)(
      `keeps what the rule keeps on 200 %s rows, ${type}`,
      async (kind) => {
        for (let seed = 0; seed < 200; seed++) {
          const random = seededRandom(seed * 37 + (kind === 'random' ? 1 : 2));
          const rows = [0, 1].map(() => randomRow(random, 12, kind === 'clustered' ? 3 : 0, type));
          const scores = await run(session, rows, type);
          const keep = 1 + Math.floor(random() * 11);
          for (const [i, row] of rows.entries()) {
            expect(highest(scores[i] ?? [], keep), `seed ${seed}, row ${i}`).toEqual(
              highest(row.map(rule), keep),
            );
          }
        }
      },
    );

    it(`gives NaN to NaN and leaves the others alone, ${type}`, async () => {
      const row = randomRow(seededRandom(5), 6, 0, type);
      const nan = (numbers: readonly number[]): number[] => numbers.map(() => NaN);
      const broken = row.map((token, i) =>
        i === 2 ? { keys: token.keys.map(nan), before: nan(token.before), after: nan(token.after) } : token,
      );
      const [scores = []] = await run(session, [broken], type);
      const [whole = []] = await run(session, [row], type);
      expect(scores).toEqual(whole.with(2, NaN));
    });
  });
}

/** Tokens whose vectors lie in some clusters, or anywhere. */
function randomRow(random: Random, length: number, clusters: number, type: FloatType): ScoredToken[] {
  const draw = (size: number, deviation = 1): Float32Array => normals(random, size, deviation);
  const width = HEADS * SIZE + 2 * SIZE;
  const centres = Array.from({ length: clusters }, () => draw(width));
  return Array.from({ length }, () => {
    const centre = centres[Math.floor(random() * clusters)];
    const own = draw(width, centre === undefined ? 1 : 0.15).map((x, i) => x + (centre?.[i] ?? 0));
    const all = Array.from(type === 'float16' ? roundTo(type, own) : own);
    const part = (i: number): number[] => all.slice(i * SIZE, (i + 1) * SIZE);
    return {
      keys: Array.from({ length: HEADS }, (_, head) => part(head)),
      before: part(HEADS),
      after: part(HEADS + 1),
    };
  });
}

function strategyGraph(strategy: GraphStrategy, opset: number, type: FloatType): GraphParts {
  const emit = new Emitter(opset, ['keys', 'before', 'after', 'scores']);
  const scores = strategy.score(
    strategyContext(emit, { keys: () => 'keys', residualBefore: () => 'before', residual: () => 'after' }),
  );
  const element = type === 'float16' ? DataType.FLOAT16 : DataType.FLOAT;
  const used = new Set(emit.nodes.flatMap(({ input }) => input));
  return {
    inputs: [
      info('keys', element, ['batch', HEADS, 'sequence', SIZE]),
      info('before', element, ['batch', 'sequence', SIZE]),
      info('after', element, ['batch', 'sequence', SIZE]),
    ].filter(({ name }) => used.has(name)),
    outputs: [info('scores', DataType.FLOAT, ['batch', 'sequence'])],
    nodes: [...emit.nodes, node('Identity', [scores], ['scores'])],
    initializers: emit.initializers,
  };
}

/** The scores of each row. */
async function run(
  session: InferenceSession,
  rows: readonly (readonly ScoredToken[])[],
  type: FloatType,
): Promise<number[][]> {
  const length = rows[0]?.length ?? 0;
  const tensor = (values: readonly number[], ...dims: number[]): Tensor =>
    floatTensor(type, Float32Array.from(values), [rows.length, ...dims]);
  const keys = rows.flatMap((row) =>
    Array.from({ length: HEADS }, (_, head) => row.flatMap((token) => token.keys[head] ?? [])).flat(),
  );
  const states = (name: 'before' | 'after'): number[] =>
    rows.flatMap((row) => row.flatMap((token) => token[name]));
  const feeds: Record<string, Tensor> = {
    keys: tensor(keys, HEADS, length, SIZE),
    before: tensor(states('before'), length, SIZE),
    after: tensor(states('after'), length, SIZE),
  };
  const wanted = Object.entries(feeds).filter(([name]) => session.inputNames.includes(name));
  const scores = numbers(await session.run(Object.fromEntries(wanted)), 'scores');
  return rows.map((_, i) => scores.slice(i * length, (i + 1) * length));
}

/** The places of the highest scores, ascending; of equals the lower place. */
function highest(scores: readonly number[], count: number): number[] {
  const places = scores.map((score, place) => ({ score, place }));
  const kept = places.toSorted((a, b) => b.score - a.score || a.place - b.place).slice(0, count);
  return kept.map(({ place }) => place).toSorted((a, b) => a - b);
}
