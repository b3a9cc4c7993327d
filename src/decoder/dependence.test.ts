import { describe, expect, it } from 'vitest';
import { graphOf, node } from '../../test/graphs.js';
import { floatTensor, GraphView, type NodeProto } from '../onnx/index.js';
import { dependents, prologueOf, prologueTensors, rotaryTensors } from './dependence.js';

// embeds → h → y; the shape of h makes a mask, ids make angles; both go into y.
const graph = new GraphView(
  graphOf({
    inputs: ['embeds', 'ids'],
    outputs: ['y'],
    initializers: [Object.assign(floatTensor([1, 2], [2, 1]), { name: 'table' })],
    nodes: [
      node('Neg', ['embeds'], ['h']),
      node('Shape', ['h'], ['shape']),
      node('Neg', ['shape'], ['mask']),
      node('Abs', ['ids'], ['positions']),
      node('Gather', ['table', 'positions'], ['rows']),
      node('Cos', ['positions'], ['cos']),
      node('Mul', ['cos', 'rows'], ['angles']),
      node('Sum', ['h', 'mask', 'angles'], ['y']),
    ],
  }),
);
const { nodes, tensors: activations } = dependents(graph, ['embeds']);
const results = (of: Iterable<NodeProto>): string[] => [...of].flatMap(({ output }) => output).sort();
const isActivation = (name: string): boolean => activations.has(name);

describe('dependents', () => {
  it('follows values, not shapes', () => {
    expect([...activations]).toEqual(['embeds', 'h', 'y']);
    expect(results(nodes)).toEqual(['h', 'y']);
  });
});

describe('prologueOf', () => {
  it('walks back to inputs and to activations', () => {
    expect(results(prologueOf(graph, ['mask'], isActivation))).toEqual(['mask', 'shape']);
    expect(results(prologueOf(graph, ['angles', 'mask'], isActivation))).toEqual(
      ['angles', 'cos', 'mask', 'positions', 'rows', 'shape'].sort(),
    );
    expect(results(prologueOf(graph, ['h'], isActivation))).toEqual([]);
  });
});

describe('prologueTensors', () => {
  it('are what is made of the first ones, without activations', () => {
    const found = prologueTensors(graph, activations, ({ opType }) => opType === 'Shape');
    expect([...found]).toEqual(['shape', 'mask']);
  });
});

describe('rotaryTensors', () => {
  it('are cos, sin, rows of a table of floats, and what is made of them', () => {
    expect([...rotaryTensors(graph, activations)].sort()).toEqual(['angles', 'cos', 'rows']);
  });
});
