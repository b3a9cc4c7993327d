import { create } from './message.js';
import { TensorProtoSchema, type NodeProto } from './schema.js';
import { describe, expect, it } from 'vitest';
import { graphOf, info, intAttr, node } from '../../test/graphs.js';
import { declaredType, elementType } from './element-type.js';
import { GraphView } from './graph.js';
import { DataType, floatTensor } from './tensor.js';

/** The type of `y`, made of a float16 input `x`. */
function type(...nodes: NodeProto[]): DataType | undefined {
  const inputs = [info('x', DataType.FLOAT16, ['a', 'b'])];
  const initializers = [
    Object.assign(floatTensor([1]), { name: 'w' }),
    create(TensorProtoSchema, { name: 'odd', dataType: 99 }),
  ];
  return elementType(new GraphView(graphOf({ inputs, initializers, nodes })), 'y');
}

describe('elementType', () => {
  it.each<[string, DataType | undefined, NodeProto[]]>([
    ['follows first inputs', DataType.FLOAT16, [node('Neg', ['x'], ['n']), node('Mul', ['n', 'w'], ['y'])]],
    ['takes a cast at its word', DataType.INT32, [node('Cast', ['x'], ['y'], intAttr('to', 6))]],
    ['knows comparisons', DataType.BOOL, [node('Less', ['x', 'x'], ['y'])]],
    ['knows shapes', DataType.INT64, [node('Shape', ['x'], ['y'])]],
    ['takes the branches of Where', DataType.FLOAT, [node('Where', ['x', 'w', 'w'], ['y'])]],
    ['takes the scale of DequantizeLinear', DataType.FLOAT, [node('DequantizeLinear', ['x', 'w'], ['y'])]],
    [
      'has nothing for a type that there is not',
      DataType.UNDEFINED,
      [node('Cast', ['x'], ['y'], intAttr('to', 99))],
    ],
    ['has nothing for a weight of such a type', DataType.UNDEFINED, [node('Neg', ['odd'], ['y'])]],
    ['has nothing where no input tells', undefined, [node('RandomNormal', [], ['y'])]],
  ])('%s', (_, expected, nodes) => {
    expect(type(...nodes)).toBe(expected);
  });
});

describe('declaredType', () => {
  it('is what an input says', () => {
    expect(declaredType(info('x', DataType.BFLOAT16, []))).toBe(DataType.BFLOAT16);
    expect(declaredType(undefined)).toBeUndefined();
  });
});
