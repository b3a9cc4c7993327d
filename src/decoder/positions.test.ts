import { describe, expect, it } from 'vitest';
import { graphOf, info, intAttr, node } from '../../test/graphs.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import {
  DataType,
  decodeModel,
  floatTensor,
  GraphView,
  int64Tensor,
  type NodeProto,
  type TensorProto,
} from '../onnx/index.js';
import { dependents } from './dependence.js';
import { positionRoots, valueSource } from './positions.js';

/** The roots of a toy, each by the op that makes it. */
function rootsOf(family: string): string[] {
  const graph = new GraphView(decodeModel(toyDecoder(toyFamily(family).config).bytes).graph);
  const { tensors } = dependents(graph, ['inputs_embeds']);
  return [...positionRoots(graph, tensors)].map((name) => graph.producer(name)?.opType ?? name);
}

describe('positionRoots', () => {
  it.each([
    ['eager', []],
    ['eager mrope', []],
    ['gqa', []],
    ['gqa rotary outside', []],
    ['eager positions from the past', ['Expand']],
    ['eager positions from the mask', ['Slice']],
    ['mha positions from the past', ['Expand']],
    ['gqa rotary outside, positions from the mask', ['Slice']],
  ])('%s: %j', (family, expected) => {
    expect(rootsOf(family)).toEqual(expected);
  });

  it('refuses positions of other axes, naming the node that rotates by them', () => {
    const graph = new GraphView(
      graphOf({
        inputs: [info('x', DataType.FLOAT, ['b', 's', 8]), info('start', DataType.INT64, [])],
        nodes: [
          node('Neg', ['start'], ['p']),
          Object.assign(node('RotaryEmbedding', ['x', 'p', 'x', 'x'], ['y']), { domain: 'com.microsoft' }),
        ],
      }),
    );
    expect(() => positionRoots(graph, new Set(['x', 'y']))).toThrow(
      expect.objectContaining({
        code: 'unsupported-decoder',
        where: 'RotaryEmbedding "y"',
        message: expect.stringContaining('"p" are not known to be [batch, sequence]') as string,
        hint: expect.stringContaining('position_ids') as string,
      }),
    );
  });
});

describe('a constant that is cut to the length of the cache', () => {
  /** Something of the activations with `table`, whose `axis` is cut to the mask's length. */
  function taken(op: string, dims: number[], axis: number): () => unknown {
    const count = dims.reduce((n, size) => n * size, 1);
    const table = Object.assign(floatTensor(Array.from({ length: count }, (_, i) => i)), {
      name: 'table',
      dims: dims.map(BigInt),
    });
    const ints = (name: string, ...values: number[]): TensorProto =>
      Object.assign(int64Tensor(values), { name });
    const graph = new GraphView(
      graphOf({
        inputs: [
          info('inputs_embeds', DataType.FLOAT, ['b', 's', 8]),
          info('attention_mask', DataType.INT64, ['b', 't']),
        ],
        nodes: [
          node('Shape', ['attention_mask'], ['shape']),
          node('Gather', ['shape', 'last'], ['total']),
          node('Slice', ['table', 'zero', 'total', 'axis'], ['piece']),
          node(op, ['inputs_embeds', 'piece'], ['y']),
        ],
        initializers: [table, ints('last', 1), ints('zero', 0), ints('axis', axis)],
      }),
    );
    return () => positionRoots(graph, new Set(['inputs_embeds', 'y']));
  }

  it('is refused where it holds distances, as MPT’s ALiBi, or rows that rotate', () => {
    expect(taken('Add', [4, 1, 16], 2)).toThrow(/Add "y" takes distances between tokens, "piece", as ALiBi/u);
    expect(taken('Mul', [1, 1, 16, 8], 2)).toThrow(/Mul "y" rotates by rows of a table that are counted/u);
  });

  it('may be a mask, or learned positions', () => {
    expect(taken('Add', [1, 1, 16, 16], 3)()).toEqual(new Set());
    expect(taken('Add', [16, 8], 0)()).toEqual(new Set());
  });
});

describe('row numbers of a table that the call makes', () => {
  /** A RotaryEmbedding over `table`, by Reshape(Range(start, limit, 1), Shape(x)[:2]). */
  function rotation(limitOf: string, table: string, start = 0): ReturnType<typeof positionRoots> {
    const contrib = (made: NodeProto): NodeProto => Object.assign(made, { domain: 'com.microsoft' });
    const named = (name: string, ...values: number[]): TensorProto =>
      Object.assign(int64Tensor(values), { name });
    const scalar = (name: string, value: number): TensorProto =>
      Object.assign(named(name, value), { dims: [] });
    const graph = new GraphView(
      graphOf({
        inputs: [
          info('inputs_embeds', DataType.FLOAT, ['b', 's', 8]),
          info('attention_mask', DataType.INT64, ['b', 't']),
          info('position_ids', DataType.INT64, [3, 'b', 's']),
        ],
        nodes: [
          node('Relu', ['inputs_embeds'], ['x']),
          node('Size', [limitOf], ['n']),
          node('Div', ['n', 'eight'], ['rows']),
          node('Range', ['start', 'rows', 'one'], ['range']),
          node('Shape', ['x'], ['shape']),
          node('Slice', ['shape', 'from', 'to'], ['axes']),
          node('Reshape', ['range', 'axes'], ['index']),
          node('Cast', ['position_ids'], ['by positions'], intAttr('to', DataType.FLOAT)),
          node('Cos', ['by positions'], ['cos of positions']),
          node('Cast', ['attention_mask'], ['by mask'], intAttr('to', DataType.FLOAT)),
          contrib(node('RotaryEmbedding', ['x', 'index', table, table], ['y'])),
        ],
        initializers: [
          scalar('start', start),
          scalar('one', 1),
          scalar('eight', 8),
          named('from', 0),
          named('to', 2),
        ],
      }),
    );
    return positionRoots(graph, new Set(['inputs_embeds', 'x', 'y']));
  }

  it('are no positions: they follow the tokens as the table does', () => {
    expect(rotation('x', 'cos of positions')).toEqual(new Set());
    expect(rotation('position_ids', 'cos of positions')).toEqual(new Set());
  });

  it('must count this call’s tokens, from 0', () => {
    const refusal = expect.objectContaining({
      message: expect.stringContaining('"index" are not known to be [batch, sequence]') as string,
    }) as unknown;
    expect(() => rotation('attention_mask', 'cos of positions')).toThrow(refusal);
    expect(() => rotation('x', 'cos of positions', 1)).toThrow(refusal);
  });

  it('must be those of a table that is made from positions', () => {
    expect(() => rotation('x', 'by mask')).toThrow(
      expect.objectContaining({
        code: 'unsupported-decoder',
        where: 'RotaryEmbedding "y"',
        message: expect.stringContaining('"by mask" has a row for each token, but is not made') as string,
      }),
    );
  });
});

describe('valueSource', () => {
  it('looks behind Identity, Cast and Concat of one', () => {
    const graph = new GraphView(
      graphOf({
        inputs: ['x'],
        nodes: [
          node('Identity', ['x'], ['i']),
          node('Cast', ['i'], ['h'], intAttr('to', DataType.FLOAT16)),
          node('Concat', ['h'], ['c']),
          node('Neg', ['c'], ['n']),
        ],
      }),
    );
    expect(valueSource(graph, 'c')).toBe('x');
    expect(valueSource(graph, 'n')).toBe('n');
  });
});
