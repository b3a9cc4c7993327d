import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { nextTurn, prefillAndDecode, type Call } from '../../test/toy/compare.js';
import type { ToyConfig } from '../../test/toy/config.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { attentionCuts, toyFamilies, toyFamily } from '../../test/toy/families.js';
import { fromHalfBits } from '../../test/toy/half.js';
import { normals, seededRandom } from '../../test/toy/random.js';
import { maxDifference, ToySession } from '../../test/toy/run.js';
import {
  concatChunks,
  create,
  DataType,
  decodeModel,
  encodeModel,
  GraphView,
  ValueInfoProtoSchema,
  type ValueInfoProto,
} from '../onnx/index.js';
import { valueInfo } from '../onnx/value-info.js';
import { recogniseDecoder } from '../decoder/decoder.js';
import type { RewriteOptions } from './options.js';
import { rewriteDecoder } from './rewrite-decoder.js';

const families = toyFamilies.filter(({ config }) => config.attention.kind !== 'gqa');

type Outputs = InferenceSession.OnnxValueMapType;

/** Rewrites a toy and runs all calls on one cache. */
async function outputsOf(
  config: ToyConfig,
  options: RewriteOptions,
  calls: readonly Call[],
): Promise<{ outputs: Outputs[]; queries: ('kept' | 'all')[] }> {
  const { model, report } = rewriteDecoder(decodeModel(toyDecoder(config).bytes), options);
  const toy = await ToySession.create(config, concatChunks(encodeModel(model)));
  const conversation = toy.conversation(calls[0]?.rows.length ?? 0);
  const outputs: Outputs[] = [];
  for (const { rows, ratios, scores } of calls) {
    await conversation.call(rows, { ratios, ...(scores === undefined ? {} : { scores }) });
    outputs.push(conversation.outputs);
  }
  await toy.release();
  return { outputs, queries: report.stages.map(({ queries }) => queries) };
}

function tensor(outputs: Outputs | undefined, name: string): Tensor {
  const value = outputs?.[name];
  if (!(value instanceof Tensor)) throw new Error(`no output ${name}`);
  return value;
}

function numbers(value: Tensor): ArrayLike<number> {
  const { data } = value;
  if (data instanceof BigInt64Array) return Array.from(data, Number);
  if (data instanceof Float32Array) return data;
  if (data instanceof Uint16Array) return fromHalfBits('float16', data);
  throw new TypeError(`${value.type} is not compared here`);
}

/** Runs with the queries of the kept tokens and with those of all tokens; every output must be the same. */
async function expectSame(config: ToyConfig, options: RewriteOptions, calls: readonly Call[]): Promise<void> {
  const kept = await outputsOf(config, options, calls);
  const all = await outputsOf(config, { ...options, earlyQueries: false }, calls);
  expect(kept.queries).toEqual(options.stages.map(({ layer }) => (layer === 0 ? 'all' : 'kept')));
  expect(all.queries).toEqual(options.stages.map(() => 'all'));
  // Products of float16 matrices round differently for different numbers of rows.
  const tolerance = config.dtype === 'float32' ? 1e-5 : 2e-2;
  for (const [call, outputs] of kept.outputs.entries()) {
    const others = all.outputs[call];
    expect(Object.keys(outputs)).toEqual(Object.keys(others ?? {}));
    for (const name of Object.keys(outputs)) {
      const [value, other] = [tensor(outputs, name), tensor(others, name)];
      expect(value.dims, name).toEqual(other.dims);
      expect(maxDifference([numbers(value)], [numbers(other)]), name).toBeLessThan(tolerance);
    }
  }
}

function randomScores(calls: readonly Call[]): Call[] {
  const random = seededRandom(5);
  return calls.map((call) => ({
    ...call,
    scores: call.rows.map((row) => normals(random, row.embeds.length)),
  }));
}

describe.each(families)('queries of the kept tokens, $name', ({ config }) => {
  const cuts = attentionCuts(config);
  const middle = cuts[1] ?? cuts[0] ?? 1;

  it('give what those of all tokens give at every K, in two turns and in decoding', async () => {
    const first = prefillAndDecode(config, [[4, 15, 5]], [0.5], 2);
    const calls = [...first, ...nextTurn(config, first, [[3, 9, 4]], [0.75])];
    for (const layer of cuts) await expectSame(config, { stages: [{ layer }] }, calls);
  });

  it('in batches, with several images', async () => {
    const spans = config.leftPadding
      ? [
          [2, 4, 3],
          [3, 6, 2, 5, 4],
          [1, 7, 1, 3, 2],
          [0, 6, 3],
        ]
      : [
          [3, 8, 2, 4, 3],
          [5, 9, 6],
          [0, 6, 14],
        ];
    const first = prefillAndDecode(config, spans, [0.5]);
    const turn = nextTurn(
      config,
      first,
      spans.map((_, i) => [3, 5 + i, 6 - i]),
      [0.5],
    );
    await expectSame(
      config,
      { stages: [{ layer: middle }] },
      config.batchedTurns ? [...first, ...turn] : first,
    );
  });

  it('at several stages', async () => {
    const ratios = cuts.map(() => 0.25);
    const first = prefillAndDecode(config, [[4, 15, 5]], ratios, 1);
    const calls = [...first, ...nextTurn(config, first, [[3, 9, 4]], ratios)];
    await expectSame(config, { stages: cuts.map((layer) => ({ layer })) }, calls);
  });

  it('whatever ranks the tokens', async () => {
    const calls = randomScores(prefillAndDecode(config, [[4, 15, 5]], [0.5], 1));
    await expectSame(config, { stages: [{ layer: middle }], strategy: 'external' }, calls);
    await expectSame(config, { stages: [{ layer: middle }], strategy: 'key-norm' }, calls);
    const two = calls.map((call) => ({ ...call, ratios: [0.25, 0.5] }));
    await expectSame(config, { stages: [{ layer: 0 }, { layer: middle }], strategy: 'external' }, two);
  });
});

/** A graph output of no declared shape. */
function outputInfo(name: string): ValueInfoProto {
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType: DataType.FLOAT } } },
  });
}

describe('the graph', () => {
  it.each<[string, string, number[]]>([
    // layer 0; layer 1, whose last token is ranked by in a branch; layers 2 and 3
    ...['eager', 'eager 5d', 'sdpa nan guard', 'eager sink'].map((family): [string, string, number[]] => [
      family,
      'Softmax',
      [14, 14, 14, 19],
    ]),
    ['mha', 'MultiHeadAttention', [14, 14, 14, 19]],
    ['mha unidirectional', 'MultiHeadAttention', [14, 14, 14, 19]],
    ['attention23 3d', 'Attention', [14, 14, 14, 19]],
    ['attention23 past outside', 'Attention', [14, 14, 14, 19]],
    ['gqa', 'GroupQueryAttention', [14, 14, 19, 19]],
  ])('%s: layer K−1 attends for the kept tokens, ranks for the last one', async (family, op, expected) => {
    const { config } = toyFamily(family);
    const { model } = rewriteDecoder(decodeModel(toyDecoder(config).bytes), { stages: [{ layer: 2 }] });
    const attending = model.graph.node.filter(({ opType }) => opType === op);
    const names = attending.map(({ output }) => output[0] ?? '');
    for (const name of names) {
      model.graph.output.push(outputInfo(name));
    }
    const toy = await ToySession.create(config, concatChunks(encodeModel(model)));
    const conversation = toy.conversation(1);
    const [call] = prefillAndDecode(config, [[4, 10, 5]], [0.5], 0);
    await conversation.call(call?.rows ?? [], { ratios: [0.5] });
    const queries = names.map((name) => tensor(conversation.outputs, name).dims.at(-2) ?? 0);
    await toy.release();
    expect(queries.sort((a, b) => a - b)).toEqual(expected);
  });

  it('does not compute the last token apart where nothing asks for its attention', () => {
    const model = decodeModel(toyDecoder(toyFamily('eager').config).bytes);
    const softmaxes = (strategy: string): number => {
      const { node } = rewriteDecoder(model, { stages: [{ layer: 2 }], strategy }).model.graph;
      const branches = node.flatMap(({ attribute }) => attribute.flatMap(({ g }) => g?.node ?? []));
      return [...node, ...branches].filter(({ opType }) => opType === 'Softmax').length;
    };
    expect(softmaxes('attention')).toBe(5);
    expect(softmaxes('key-norm')).toBe(4);
    expect(softmaxes('external')).toBe(4);
  });

  it('has no constant that nothing uses', () => {
    const model = decodeModel(toyDecoder(toyFamily('eager').config).bytes);
    const { graph } = rewriteDecoder(model, { stages: [{ layer: 2 }], strategy: 'external' }).model;
    const used = new Set(graph.node.flatMap((node) => [...node.input, ...GraphView.captures(node)]));
    expect(graph.initializer.filter(({ name }) => name.startsWith('fastv/') && !used.has(name))).toEqual([]);
  });
});

describe('the report says why the queries of all tokens are computed', () => {
  const reasons = (family: string, options: RewriteOptions): (string | undefined)[] =>
    rewriteDecoder(decodeModel(toyDecoder(toyFamily(family).config).bytes), options).report.stages.map(
      ({ queriesReason }) => queriesReason,
    );

  it.each<[string, string, RewriteOptions, (string | undefined)[]]>([
    [
      'GroupQueryAttention',
      'gqa',
      { stages: [{ layer: 2 }] },
      ['GroupQueryAttention "/model/layers.1/attn/GroupQueryAttention" takes as many queries as new keys'],
    ],
    ['switched off', 'eager', { stages: [{ layer: 2 }], earlyQueries: false }, ['switched off']],
    ['masking', 'eager', { stages: [{ layer: 2 }], mode: 'mask' }, ['masking keeps every token']],
    [
      'K = 0',
      'eager',
      { stages: [{ layer: 0 }, { layer: 1 }], strategy: 'external' },
      ['K = 0 cuts before the first layer', undefined],
    ],
  ])('%s', (_, family, options, expected) => {
    expect(reasons(family, options)).toEqual(expected);
  });

  it('something else that needs them', () => {
    const model = decodeModel(toyDecoder(toyFamily('eager').config).bytes);
    const score = recogniseDecoder(model).layers[1]?.attention?.rowSource ?? '';
    model.graph.output.push(valueInfo(score, DataType.FLOAT, ['batch_size', 4, 'sequence_length', 'total']));
    const { stages } = rewriteDecoder(model, { stages: [{ layer: 1 }, { layer: 2 }] }).report;
    expect(stages.map(({ queries }) => queries)).toEqual(['kept', 'all']);
    expect(stages[1]?.queriesReason).toMatch(/"\/model\/layers\.1.* is needed for all tokens$/);
  });
});
