// What choosing costs: every strategy by itself, as a graph of nothing but its scores, the shares of images and the
// selection, on tensors of a decoder's shape, beside the prefill that it is a part of. Processor time is compared.
//
// Prefill is that of the unpruned decoder: what two generated layers take more of than none, for all layers. For more image
// tokens it follows from there by the FLOPs, so that nobody waits for it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prefillFeeds } from '../src/bench/feeds.js';
import { openDecoder, originalOf, readDecoder } from '../src/bench/sessions.js';
import { interleaved, type Variant } from '../src/bench/timing.js';
import { prefillMacs } from '../src/cost/exact.js';
import { knownModel } from '../src/cost/models.js';
import type { Tokens } from '../src/cost/paper.js';
import {
  concatChunks,
  create,
  DataType,
  Emitter,
  encodeModel,
  GraphProtoSchema,
  ModelProtoSchema,
  OperatorSetIdProtoSchema,
  valueInfo,
  type ValueInfoProto,
} from '../src/onnx/index.js';
import { shareBudget } from '../src/rewrite/budget.js';
import { clustersOf, meansOf } from '../src/rewrite/clusters.js';
import { select } from '../src/rewrite/select.js';
import { nodeRuntime } from '../src/runtime/node-session.js';
import { sleepingThreads } from '../src/runtime/sleeping-threads.js';
import {
  sharedOut,
  strategies,
  unitRows,
  type GraphStrategy,
  type StageContext,
} from '../src/strategies/index.js';
import { cached } from './cache.js';
import { printTable } from './print.js';

const { InferenceSession, Tensor } = await nodeRuntime();

export interface SelectorOptions {
  readonly shape: string;
  readonly tokens: Tokens;
  readonly ratios: readonly number[];
  /** Images that share what is kept, each picked from by itself; 1: the row as a whole. */
  readonly images: number;
  readonly rounds: number;
}

/** Text rows whose attention is looked at. */
const ROWS = 32;

/** Measures one number of image tokens, and prints a table: milliseconds of each strategy, and their share of a prefill. */
async function measured(options: SelectorOptions, perLayer: LayerTime): Promise<Selection[]> {
  const { shape: name, tokens, ratios, images, rounds } = options;
  const { shape } = knownModel(name);
  const rows: Selection[] = [];
  const prefillMs = perLayer(tokens);
  console.log(
    `### Choosing among ${tokens.image} image tokens (${images === 1 ? 'as one' : `${images} images, each by itself`}) and ${tokens.text} others, ${name}, int8: a prefill is ${Math.round(prefillMs)} ms of processor time\n`,
  );
  for (const one of [...strategies, 'sizes' as const]) {
    const [strategy, standing] = one === 'sizes' ? [scopeOf(), true] : [one, false];
    if (strategy.where === 'caller') continue;
    for (const ratio of ratios) {
      const variant = await selector(strategy, standing, ratio, options);
      const times = await interleaved([variant], rounds);
      await variant.release();
      const stages = [{ layer: 2, ratio }];
      const left = prefillMacs(shape, tokens, stages).total / prefillMacs(shape, tokens).total;
      rows.push({
        strategy: standing ? 'scope+sizes+mean' : strategy.name,
        ratio,
        imageTokens: tokens.image,
        selectorMs: times.get(variant.name)?.cpu.median ?? NaN,
        prefillMs,
        prunedMs: prefillMs * left,
      });
    }
  }
  printTable(
    ['strategy', 'R', 'ms', 'of the prefill'],
    rows.map(({ strategy, ratio, selectorMs }) => [
      strategy,
      String(ratio),
      selectorMs.toFixed(1),
      `${((100 * selectorMs) / prefillMs).toFixed(2)} %`,
    ]),
  );
  return rows;
}

/** Milliseconds of a whole prefill of so many tokens. */
type LayerTime = (tokens: Tokens) => number;

/** What choosing costs with one strategy, at one number of image tokens; the fields of a row of selectors.json. */
interface Selection {
  readonly strategy: string;
  readonly ratio: number;
  readonly imageTokens: number;
  readonly selectorMs: number;
  readonly prefillMs: number;
  readonly prunedMs: number;
}

/** Prints tables; with `output`, their numbers lie there, of which docs/results/strategies/plots.mjs draws. */
export async function benchSelectors(
  options: Omit<SelectorOptions, 'tokens'> & {
    readonly textTokens: number;
    readonly imageTokens: readonly number[];
    readonly output?: string;
  },
): Promise<void> {
  const { shape: name, rounds, textTokens, output } = options;
  if (output !== undefined) mkdirSync(output, { recursive: true });
  const { shape } = knownModel(name);
  const base = { text: textTokens, image: 576 };
  const [one, three] = [await layersOf(name, 1, base), await layersOf(name, 3, base)];
  const times = await interleaved([one, three], rounds);
  const cpu = (variant: Variant): number => times.get(variant.name)?.cpu.median ?? NaN;
  const whole = ((cpu(three) - cpu(one)) / 2) * shape.layers;
  const macs = (of: Tokens): number => prefillMacs(shape, of).total;
  const rows: Selection[] = [];
  for (const image of options.imageTokens) {
    const tokens = { text: textTokens, image };
    rows.push(...(await measured({ ...options, tokens }, (of) => (whole * macs(of)) / macs(base))));
  }
  if (output === undefined) return;
  const { images } = options;
  const file = join(output, images === 1 ? 'selectors.json' : `selectors-${images}-images.json`);
  writeFileSync(file, `${JSON.stringify({ shape: name, weights: 'int8', images, rows }, null, 1)}\n`);
}

function scopeOf(): (typeof strategies)[number] {
  const found = strategies.find(({ name }) => name === 'scope');
  if (found === undefined) throw new RangeError('no scope');
  return found;
}

/** A decoder of so many layers. */
async function layersOf(shape: string, layers: number, tokens: Tokens): Promise<Variant> {
  const file = await readDecoder(cached({ shape, layers, weights: 'int8', shareWeights: true }).file);
  const decoder = await openDecoder(originalOf(file));
  const feeds = prefillFeeds(decoder.inputs, tokens);
  return { name: `${layers} layers`, run: () => decoder.run(feeds) };
}

/** A strategy as a graph of its own, with all that it may look at as inputs. */
async function selector(
  strategy: GraphStrategy,
  standing: boolean,
  ratio: number,
  { shape: name, tokens, images }: SelectorOptions,
): Promise<Variant & { readonly release: () => Promise<void> }> {
  const { heads, kvHeads, headDim, hidden } = knownModel(name).shape;
  const length = tokens.text + tokens.image;
  const shapes = {
    queries: [1, heads, ROWS, headDim],
    keys: [1, kvHeads, length, headDim],
    values: [1, kvHeads, length, headDim],
    before: [1, length, hidden],
    after: [1, length, hidden],
    cos: [1, length, headDim / 2],
    sin: [1, length, headDim / 2],
  };
  const emit = new Emitter(21, [...Object.keys(shapes), 'images', 'there', 'segments', 'ratio']);
  const part = (i: number): string => emit.gather('segments', emit.int(i), 2);
  const rowsOf = (count: number): string => {
    const own = emit.slice('queries', emit.ints(-count), emit.ints(ROWS), 2);
    const grouped = emit.reshape(own, emit.ints(0, kvHeads, -1, headDim));
    const scores = emit.op('MatMul', [grouped, emit.transpose('keys', 0, 1, 3, 2)]);
    return emit.softmax(emit.reshape(scores, emit.ints(0, heads, count, -1)));
  };
  const heads1 = (): string => emit.reshape(rowsOf(1), emit.ints(0, heads, -1));
  const budget = shareBudget(emit, 'ratio', 'float64');
  const context: StageContext = {
    emit,
    stage: 0,
    imageTokenMask: 'images',
    lastRowAttention: () => emit.reduce('ReduceMean', heads1(), [1], false),
    lastRowHeads: heads1,
    attentionRows: (which) =>
      which === 'last' ? heads1() : emit.reduce('ReduceMean', rowsOf(ROWS), [2], false),
    attended: () => 'there',
    keys: () => 'keys',
    values: () => 'values',
    unrotatedQuery: () => emit.slice('queries', emit.ints(-1), emit.ints(ROWS), 2),
    unrotatedKeys: () => 'keys',
    rotation: () => ({ cos: 'cos', sin: 'sin' }),
    segments: () => ({ image: part(0), grid: { row: part(1), column: part(2) } }),
    perImage: () =>
      images === 1
        ? undefined
        : { image: part(0), weight: emit.op('Expand', [emit.float(1), emit.op('Shape', [part(0)])]) },
    features: () => unitRows(emit, emit.reduce('ReduceMean', 'keys', [1], false)),
    residualBefore: () => 'before',
    residual: () => 'after',
    keepCount: () => budget.kept(emit.reduce('ReduceSum', emit.castToInt64('images'), [1], false)),
    callerScores: () => '',
  };
  const { indices } = select(emit, sharedOut(context, strategy.score(context)), 'images', budget);
  const outputs: [string, DataType][] = [[indices, DataType.INT64]];
  if (standing) {
    const one = emit.op('Expand', [emit.float(1), emit.op('Shape', ['images'])]);
    const clusters = clustersOf(emit, {
      residual: 'before',
      images: 'images',
      segments: part(0),
      sizes: one,
      kept: indices,
    });
    // the means of the residual stream and of the attention's result
    for (const tensor of ['before', 'after']) {
      const at = emit.op('Expand', [
        emit.unsqueeze(indices, 2),
        emit.concat([emit.op('Shape', [indices]), emit.ints(hidden)], 0),
      ]);
      const kept = emit.op('GatherElements', [tensor, at], { attributes: { axis: 1n } });
      outputs.push([meansOf(emit, clusters, tensor, kept, DataType.FLOAT), DataType.FLOAT]);
    }
    outputs.push([clusters.sizes, DataType.FLOAT]);
  }
  const inputs: ValueInfoProto[] = [
    ...Object.entries(shapes).map(([input, dims]) => valueInfo(input, DataType.FLOAT, dims)),
    ...['images', 'there'].map((input) => valueInfo(input, DataType.BOOL, [1, length])),
    valueInfo('segments', DataType.INT64, [1, length, 3]),
    valueInfo('ratio', DataType.FLOAT, []),
  ];
  const used = new Set(emit.nodes.flatMap(({ input, attribute }) => [...input, ...captured(attribute)]));
  const graph = create(GraphProtoSchema, {
    name: 'selector',
    input: inputs.filter((input) => used.has(input.name)),
    output: outputs.map(([output, type]) => valueInfo(output, type)),
    node: emit.nodes,
    initializer: emit.initializers,
  });
  const model = create(ModelProtoSchema, {
    irVersion: 10n,
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: 21n })],
    graph,
  });
  const session = await InferenceSession.create(concatChunks(encodeModel(model)), {
    logSeverityLevel: 3,
    ...sleepingThreads(),
  });
  const isImage = (i: number): boolean => i >= tokens.text / 2 && i < tokens.text / 2 + tokens.image;
  const each = Math.ceil(tokens.image / images);
  const side = Math.ceil(Math.sqrt(each));
  const places = Array.from({ length }, (_, i): number[] => {
    if (!isImage(i)) return [0, -1, -1];
    const index = (i - tokens.text / 2) % each;
    return [1 + Math.floor((i - tokens.text / 2) / each), Math.floor(index / side), index % side];
  });
  const bools = (of: (i: number) => boolean): InstanceType<typeof Tensor> =>
    new Tensor(
      'bool',
      Uint8Array.from({ length }, (_, i) => Number(of(i))),
      [1, length],
    );
  const all: Record<string, InstanceType<typeof Tensor>> = {
    ...Object.fromEntries(Object.entries(shapes).map(([input, dims]) => [input, noise(dims)])),
    images: bools(isImage),
    there: bools(() => true),
    segments: new Tensor('int64', BigInt64Array.from(places.flat(), BigInt), [1, length, 3]),
    ratio: new Tensor('float32', Float32Array.of(ratio), []),
  };
  const feeds = Object.fromEntries(
    Object.entries(all).filter(([input]) => session.inputNames.includes(input)),
  );
  const label = standing ? 'sizes (picks, clusters, sizes, means)' : strategy.name;
  return { name: `${label}, R = ${ratio}`, run: () => session.run(feeds), release: () => session.release() };
}

/** What the bodies of loops take from outside. */
function captured(
  attributes: readonly {
    readonly g?: { readonly node: readonly { readonly input: readonly string[] }[] } | undefined;
  }[],
): string[] {
  return attributes.flatMap(({ g }) => g?.node.flatMap(({ input }) => input) ?? []);
}

function noise(dims: readonly number[]): InstanceType<typeof Tensor> {
  const size = dims.reduce((a, b) => a * b, 1);
  let state = 1;
  const values = Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return new Tensor('float32', values, [...dims]);
}
