import { describe, expect, it } from 'vitest';
import { graphOf, info, node } from '../../test/graphs.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { DataType, decodeModel, GraphView } from '../onnx/index.js';
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

describe('valueSource', () => {
  it('looks behind Identity and Concat of one', () => {
    const graph = new GraphView(
      graphOf({
        inputs: ['x'],
        nodes: [node('Identity', ['x'], ['i']), node('Concat', ['i'], ['c']), node('Neg', ['c'], ['n'])],
      }),
    );
    expect(valueSource(graph, 'c')).toBe('x');
    expect(valueSource(graph, 'n')).toBe('n');
  });
});
