import { describe, expect, it } from 'vitest';
import { graphOf, node } from '../../test/graphs.js';
import { Emitter, GraphView } from '../onnx/index.js';
import { substitution } from './substitute.js';

// y = Shape(x) + past, z = Neg(y), apart from it other = Abs(past)
const graph = new GraphView(
  graphOf({
    inputs: ['x', 'past'],
    outputs: ['z', 'other'],
    nodes: [
      node('Shape', ['x'], ['shape']),
      node('Add', ['shape', 'past'], ['y']),
      node('Neg', ['y'], ['z']),
      node('Abs', ['past'], ['other']),
    ],
  }),
);

describe('substitution', () => {
  it('copies what lies between a tensor and what changes, once, and nothing else', () => {
    const emit = new Emitter(21, []);
    const shorter = substitution(graph, emit, { leaf: () => undefined, shapeOf: () => 'length' });
    const z = shorter('z');
    expect(emit.nodes.map(({ opType, input }) => [opType, input])).toEqual([
      ['Add', ['length', 'past']],
      ['Neg', [shorter('y')]],
    ]);
    expect([shorter('z'), shorter('other'), shorter('past')]).toEqual([z, 'other', 'past']);
    expect(emit.nodes).toHaveLength(2);
  });

  it('leaves what does not change', () => {
    const emit = new Emitter(21, []);
    const same = substitution(graph, emit, {
      leaf: (tensor) => (tensor === 'past' ? 'past' : undefined),
      shapeOf: (shape) => shape.output[0],
    });
    expect([same('z'), same('other')]).toEqual(['z', 'other']);
    expect(emit.nodes).toEqual([]);
  });
});
