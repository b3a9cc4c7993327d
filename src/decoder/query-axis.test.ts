import { describe, expect, it } from 'vitest';
import { graphOf, info, intAttr, intsAttr, node } from '../../test/graphs.js';
import {
  DataType,
  floatTensor,
  GraphView,
  int64Tensor,
  type AttributeProto,
  type NodeProto,
  type TensorProto,
} from '../onnx/index.js';
import { queryAxes } from './query-axis.js';
import type { TokenAxis } from './token-axis.js';

const constants: Readonly<Record<string, readonly number[]>> = {
  one: [1],
  two: [2],
  three: [3],
  rows: [0, -1, 8],
  heads: [0, 0, 4, 8],
  groups: [0, 2, 2, -1, 8],
  merged: [0, 4, -1, 8],
  flat: [-1, 32],
  fixed: [0, 7, 4, 8],
  headsFirst: [0, 4, -1, 8],
  none: [],
};

/** The query axis that the last of some nodes gives; "x" is [batch, sequence, 32], "keys" are keys, "w" a weight. */
function axisOf(...nodes: NodeProto[]): TokenAxis | undefined {
  const initializers: TensorProto[] = [
    ...Object.entries(constants).map(([name, values]) => Object.assign(int64Tensor([...values]), { name })),
    Object.assign(floatTensor([1], []), { name: 'w' }),
  ];
  const last = nodes.at(-1)?.output[0] ?? '';
  const inputs = [
    info('x', DataType.FLOAT, ['b', 's', 32]),
    info('keys', DataType.FLOAT, ['b', 4, 't', 8]),
    info('mask', DataType.FLOAT, ['b', 1, 's', 't']),
  ];
  const graph = new GraphView(graphOf({ inputs, outputs: [last], nodes, initializers }));
  const made = new Set(nodes.flatMap(({ output }) => output));
  const part = graph.nodes.filter(({ opType }) => opType !== 'Shape');
  return queryAxes({
    graph,
    nodes: part,
    isKeyOrValue: (tensor) => tensor === 'keys',
    isActivation: (tensor) => ['x', 'keys'].includes(tensor) || made.has(tensor),
    sequenceAxis: () => 1,
  }).get(last);
}

const split = [
  node('Reshape', ['x', 'heads'], ['h']),
  node('Transpose', ['h'], ['q'], intsAttr('perm', 0, 2, 1, 3)),
];
const along = (opType: string, axis: number): NodeProto => node(opType, ['q'], ['y'], intAttr('axis', axis));
const op = (opType: string, inputs: string[], ...attributes: AttributeProto[]): NodeProto =>
  node(opType, inputs, ['y'], ...attributes);

describe('queryAxes', () => {
  it.each<[string, NodeProto[], Partial<TokenAxis>]>([
    ['a projection', [op('MatMul', ['x', 'w'])], { rank: 3, axis: 1 }],
    ['heads', split, { rank: 4, axis: 2 }],
    ['heads in rows', [op('Reshape', ['x', 'rows'])], { rank: 3, axis: 1 }],
    ['groups of heads', [...split, op('Reshape', ['q', 'groups'])], { rank: 5, axis: 3 }],
    [
      'groups merged again',
      [...split, node('Reshape', ['q', 'groups'], ['g']), op('Reshape', ['g', 'merged'])],
      { rank: 4, axis: 2 },
    ],
    ['scores', [...split, op('MatMul', ['q', 'keys'])], { rank: 4, axis: 2, metKeys: true }],
    [
      'masked scores',
      [...split, node('MatMul', ['q', 'keys'], ['p']), op('Add', ['p', 'mask'])],
      { rank: 4, axis: 2, metKeys: true },
    ],
    ['softmax over the keys', [...split, along('Softmax', -1)], { rank: 4, axis: 2 }],
    ['another axis', [...split, op('Unsqueeze', ['q', 'one'])], { rank: 5, axis: 3 }],
  ])('follows %s', (_, nodes, expected) => {
    expect(axisOf(...nodes)).toMatchObject({ metKeys: false, ...expected });
  });

  it.each<[string, NodeProto[], RegExp]>([
    ['an op that is not known', [op('Conv', ['x', 'w'])], /is not known to treat every token by itself/],
    ['softmax over the queries', [...split, along('Softmax', 2)], /works along the tokens/],
    ['the same from the back', [...split, along('Softmax', -2)], /works along the tokens/],
    [
      'a slice of the queries',
      [...split, op('Slice', ['q', 'one', 'three', 'two'])],
      /works along the tokens/,
    ],
    ['queries times queries', [...split, op('MatMul', ['q', 'q'])], /mixes tokens with tokens/],
    ['queries beside keys', [...split, op('Add', ['q', 'keys'])], /mixes queries with keys/],
    ['keys times queries', [...split, op('MatMul', ['keys', 'q'])], /takes its tokens at another place/],
    ['queries on different axes', [...split, op('Add', ['q', 'h'])], /on different axes/],
    ['a batch that is merged', [op('Reshape', ['x', 'flat'])], /moves the tokens/],
    ['heads that are cut out of tokens', [op('Reshape', ['x', 'headsFirst'])], /moves the tokens/],
    ['a norm over heads and queries', [...split, along('LayerNormalization', -3)], /works along the tokens/],
    ['a mean over no axes, which is over all', [op('ReduceMean', ['x', 'none'])], /along which axes/],
    ['a fixed number of queries', [op('Reshape', ['x', 'fixed'])], /moves the tokens/],
    ['axes that do not fit', [op('Transpose', ['x'], intsAttr('perm', 0, 2, 1, 3))], /unclear order/],
    ['a scale over all queries', [op('DynamicQuantizeLinear', ['x'])], /one scale over all tokens/],
  ])('refuses %s', (_, nodes, message) => {
    expect(() => axisOf(...nodes)).toThrow(
      expect.objectContaining({
        code: 'unsupported-decoder',
        message: expect.stringMatching(message) as string,
      }),
    );
  });
});
