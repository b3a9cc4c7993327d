import { describe, expect, it } from 'vitest';
import { graphOf, info, intAttr, intsAttr, node } from '../../test/graphs.js';
import { DataType, GraphView, int64Tensor, type NodeProto, type TensorProto } from '../onnx/index.js';
import { dependents } from './dependence.js';
import { SequenceAxes, type SequenceAxis } from './sequence-axis.js';

const list = (name: string, ...values: number[]): TensorProto => Object.assign(int64Tensor(values), { name });

/** The sequence axis of `y`, which the nodes make of x [batch, sequence, hidden] and of weights w. */
function axisOf(...nodes: NodeProto[]): SequenceAxis {
  const initializers = [
    list('w', 1),
    list('zero', 0),
    list('one', 1),
    list('two', 2),
    list('last', -1),
    list('heads', 0, 0, 4, -1),
    list('flat', -1, 8),
    list('bias', ...Array<number>(8).fill(1)),
    Object.assign(list('index', 1), { dims: [] }),
  ];
  const inputs = [info('x', DataType.FLOAT, ['batch', 'sequence', 'hidden'])];
  const graph = new GraphView(graphOf({ inputs, initializers, nodes }));
  return new SequenceAxes(graph, dependents(graph, ['x']).tensors, ['x']).of('y');
}

const dim = (axis: string): NodeProto[] => [
  node('Shape', ['x'], [`shape/${axis}`]),
  node('Gather', [`shape/${axis}`, axis], [`dim/${axis}`]),
  node('Unsqueeze', [`dim/${axis}`, 'zero'], [`entry/${axis}`]),
];

/** Two streams [2, batch, sequence, hidden]. */
const stack = (name: string): NodeProto[] => [
  node('Unsqueeze', ['x', 'zero'], ['x0']),
  node('Relu', ['x0'], ['x1']),
  node('Concat', ['x0', 'x1'], [name], intAttr('axis', 0)),
];

/** x as [batch · sequence, hidden]. */
const rows = (name: string): NodeProto[] => [
  node('Shape', ['x'], ['shape of rows']),
  node('Gather', ['shape of rows', 'two'], ['width']),
  node('Concat', ['last', 'width'], ['row shape'], intAttr('axis', 0)),
  node('Reshape', ['x', 'row shape'], [name]),
];

describe('SequenceAxes', () => {
  it.each<[string, NodeProto[]]>([
    ['token-wise ops', [node('MatMul', ['x', 'w'], ['h']), node('Sigmoid', ['h'], ['y'])]],
    ['a residual connection', [node('Einsum', ['x'], ['h']), node('Add', ['x', 'h'], ['y'])]],
    ['a mean over features', [node('ReduceMean', ['x'], ['y'], intsAttr('axes', -1))]],
    ['a mean over features, axes as an input', [node('ReduceMean', ['x', 'two'], ['y'])]],
    ['a split of features', [node('Split', ['x'], ['y', 'z'], intAttr('axis', -1))]],
    ['a slice of features', [node('Slice', ['x', 'zero', 'one', 'last'], ['y'])]],
    ['a softmax over features', [node('Softmax', ['x'], ['y'])]],
    ['features divided into heads', [node('Reshape', ['x', 'heads'], ['y'])]],
    [
      'the same by a computed shape',
      [
        ...dim('zero'),
        ...dim('one'),
        node('Concat', ['entry/zero', 'entry/one', 'last'], ['s'], intAttr('axis', 0)),
        node('Reshape', ['x', 's'], ['y']),
      ],
    ],
  ])('%s leave the sequence on axis 1', (_, nodes) => {
    expect(axisOf(...nodes)).toBe(1);
  });

  it.each<[string, NodeProto[], SequenceAxis]>([
    ['a stack of streams', stack('y'), 2],
    ['one stream of a stack', [...stack('h'), node('Gather', ['h', 'index'], ['y'], intAttr('axis', 0))], 1],
    [
      'the mean of a stack',
      [...stack('h'), node('ReduceMean', ['h'], ['y'], intsAttr('axes', 0), intAttr('keepdims', 0))],
      1,
    ],
    ['a stream beside a stack', [...stack('h'), node('Add', ['x', 'h'], ['y'])], 2],
    [
      'a stack whose streams are mixed',
      [
        ...stack('h'),
        node('Transpose', ['h'], ['t'], intsAttr('perm', 1, 2, 3, 0)),
        node('MatMul', ['t', 'w'], ['m']),
        node('Transpose', ['m'], ['y'], intsAttr('perm', 3, 0, 1, 2)),
      ],
      2,
    ],
    [
      'streams that are put in place',
      [...stack('h'), node('Unsqueeze', ['one', 'last'], ['i']), node('ScatterND', ['h', 'i', 'h'], ['y'])],
      2,
    ],
    ['rows', rows('y'), 'rows'],
    [
      'rows by a constant width',
      [node('Add', ['x', 'bias'], ['b']), node('Reshape', ['b', 'flat'], ['y'])],
      'rows',
    ],
    [
      'rows that are laid out again',
      [
        ...rows('r'),
        ...dim('zero'),
        ...dim('one'),
        node('Gemm', ['r', 'w'], ['g']),
        node('Concat', ['entry/zero', 'entry/one', 'last'], ['s'], intAttr('axis', 0)),
        node('Reshape', ['g', 's'], ['y']),
      ],
      1,
    ],
  ])('%s', (_, nodes, axis) => {
    expect(axisOf(...nodes)).toBe(axis);
  });

  it('does not take the type of tokens for tokens', () => {
    const scale = node('CastLike', ['one', 'x'], ['s']);
    expect(axisOf(scale, node('Neg', ['s'], ['y']))).toBe('none');
    expect(axisOf(scale, node('Mul', ['x', 's'], ['h']), node('CastLike', ['h', 's'], ['y']))).toBe(1);
  });

  it('knows one value for all tokens', () => {
    const quantise = node('DynamicQuantizeLinear', ['x'], ['q', 'y', 'zp']);
    expect(axisOf(quantise)).toBe('none');
    expect(axisOf(quantise, node('Neg', ['q'], ['n'])), 'scale').toBe('none');
  });

  it.each<[string, NodeProto[], string]>([
    ['an op that mixes tokens', [node('Conv', ['x', 'w'], ['y'])], 'Conv "y"'],
    ['a transpose', [node('Transpose', ['x'], ['y'], intsAttr('perm', 1, 0, 2))], 'Transpose "y"'],
    ['a mean over tokens', [node('ReduceMean', ['x'], ['y'], intsAttr('axes', 1))], 'ReduceMean "y"'],
    ['a mean over everything', [node('ReduceMean', ['x'], ['y'])], 'ReduceMean "y"'],
    [
      'a mean that drops its axis',
      [node('ReduceMean', ['x'], ['y'], intsAttr('axes', -1), intAttr('keepdims', 0))],
      'ReduceMean "y"',
    ],
    ['a concatenation of tokens', [node('Concat', ['x', 'x'], ['y'], intAttr('axis', 1))], 'Concat "y"'],
    ['a slice of tokens', [node('Slice', ['x', 'zero', 'one', 'one'], ['y'])], 'Slice "y"'],
    ['rows laid flat', [node('Reshape', ['x', 'flat'], ['y'])], 'Reshape "y"'],
    [
      'a norm over tokens',
      [node('LayerNormalization', ['x', 'w'], ['y'], intAttr('axis', 1))],
      'LayerNormalization "y"',
    ],
    ['tokens times tokens', [node('MatMulInteger', ['x', 'x'], ['y'])], 'MatMulInteger "y"'],
    ['a weight times tokens', [node('MatMul', ['w', 'x'], ['y'])], 'MatMul "y"'],
    [
      'tokens that a product turns',
      [node('FusedMatMul', ['x', 'w'], ['y'], intAttr('transA', 1))],
      'FusedMatMul "y"',
    ],
    [
      'an operator of another domain',
      [Object.assign(node('Relu', ['x'], ['y']), { domain: 'custom' })],
      'Relu "y"',
    ],
    [
      'axes in another order',
      [
        ...dim('zero'),
        ...dim('one'),
        node('Concat', ['entry/one', 'entry/zero', 'last'], ['s'], intAttr('axis', 0)),
        node('Reshape', ['x', 's'], ['y']),
      ],
      'Reshape "y"',
    ],
    [
      'what comes of an unclear tensor',
      [node('Einsum', ['x'], ['h']), node('Mul', ['x', 'h'], ['y'])],
      'Mul "y"',
    ],
  ])('%s is refused', (_, nodes, where) => {
    expect(() => axisOf(...nodes)).toThrow(
      expect.objectContaining({ code: 'unsupported-decoder', where, hint: expect.any(String) as string }),
    );
  });

  it('reads shapes of shapes without end', () => {
    const wide = (from: string, to: string): NodeProto =>
      node('Concat', Array<string>(500).fill(from), [to], intAttr('axis', 0));
    const nodes = [...dim('one'), wide('entry/one', 's0')];
    for (let i = 0; i < 8; i++) nodes.push(wide(`s${i}`, `s${i + 1}`));
    expect(() => axisOf(...nodes, node('Reshape', ['x', 's8'], ['y']))).toThrow(
      expect.objectContaining({ code: 'unsupported-decoder', where: 'Reshape "y"' }),
    );
  });
});
