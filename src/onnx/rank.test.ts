import type { NodeProto } from './schema.js';
import { describe, expect, it } from 'vitest';
import { graphOf, info, intAttr, intsAttr, node } from '../../test/graphs.js';
import { GraphView } from './graph.js';
import { rankOf } from './rank.js';
import { DataType, int64Tensor } from './tensor.js';

/** The rank of `y`, which the nodes make of a matrix `x`, a list `list` of 3 and a scalar `one`. */
function rank(...nodes: NodeProto[]): number | undefined {
  const initializers = [
    Object.assign(int64Tensor([1]), { name: 'list1' }),
    Object.assign(int64Tensor([0, 1, 2]), { name: 'list' }),
    Object.assign(int64Tensor([1], []), { name: 'one' }),
  ];
  const inputs = [info('x', DataType.FLOAT, ['a', 'b'])];
  return rankOf(new GraphView(graphOf({ inputs, initializers, nodes })), 'y');
}

describe('rankOf', () => {
  it.each<[string, number | undefined, NodeProto[]]>([
    ['a cast', 2, [node('Cast', ['x'], ['y'])]],
    ['a sum, which broadcasts', 2, [node('Add', ['one', 'x'], ['y'])]],
    ['a shape', 1, [node('Shape', ['x'], ['y'])]],
    ['axes added', 4, [node('Unsqueeze', ['x', 'ax'], ['y']), node('Identity', ['pair'], ['ax'])]],
    ['an axis taken away', 1, [node('Squeeze', ['x', 'list1'], ['y'])]],
    ['axes as an attribute', 4, [node('Unsqueeze', ['x'], ['y'], intsAttr('axes', 0, 1))]],
    ['one entry', 1, [node('Gather', ['x', 'one'], ['y'])]],
    ['entries', 2, [node('Gather', ['x', 'list'], ['y'], intAttr('axis', 0))]],
    ['a constant shape', 3, [node('Reshape', ['x', 'list'], ['y'])]],
    [
      'a shape put together',
      4,
      [
        node('Shape', ['x'], ['s']),
        node('Gather', ['s', 'one'], ['d']),
        node('Unsqueeze', ['d', 'list1'], ['v']),
        node('Concat', ['v', 'list'], ['shape'], intAttr('axis', 0)),
        node('Reshape', ['x', 'shape'], ['y']),
      ],
    ],
    ['what is expanded to a shape', 2, [node('Shape', ['x'], ['s']), node('Expand', ['one', 's'], ['y'])]],
    [
      'a shape put together of parts',
      3,
      [
        node('Shape', ['x'], ['first'], intAttr('end', 1)),
        node('Shape', ['x'], ['last'], intAttr('start', -1)),
        node('Shape', ['x'], ['none'], intAttr('start', 2)),
        node('Concat', ['first', 'last', 'none', 'list1'], ['shape'], intAttr('axis', 0)),
        node('Reshape', ['x', 'shape'], ['y']),
      ],
    ],
    ['an op that is not known', undefined, [node('Einsum', ['x'], ['y'])]],
    ['what comes of it', undefined, [node('Einsum', ['x'], ['e']), node('Add', ['x', 'e'], ['y'])]],
  ])('%s', (_, expected, nodes) => {
    const pair = node('Constant', [], ['pair'], intsAttr('value_ints', 0, 1));
    expect(rank(...nodes, pair)).toBe(expected);
  });

  it('is soon told where paths part and meet again', () => {
    const nodes = Array.from({ length: 500 }, (_, i) =>
      node('Where', [`t${i}`, `t${i}`, `t${i}`], [i === 499 ? 'y' : `t${i + 1}`]),
    );
    expect(rank(node('Identity', ['x'], ['t0']), ...nodes)).toBe(2);
  });
});
