import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { ModelProtoSchema, type GraphProtoSchema } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { costsTooMuch } from './decode-budget.js';
import { decodeModel } from './read.js';

const bytesOf = (graph: MessageInitShape<typeof GraphProtoSchema>): Uint8Array =>
  toBinary(ModelProtoSchema, create(ModelProtoSchema, { graph }));
const node = { opType: 'Identity', input: ['a'], output: ['b'] };

describe('what a model takes as objects', () => {
  it('is no matter of its weights as bytes', () => {
    const bytes = bytesOf({ node: [node], initializer: [{ name: 'w', rawData: new Uint8Array(2 ** 20) }] });
    expect(costsTooMuch(bytes)).toBe(false);
    expect(decodeModel(bytes).graph.initializer).toHaveLength(1);
  });

  it.each([
    ['tensors', { node: [node], initializer: Array<object>(400_000).fill({ name: 'w' }) }],
    ['inputs', { node: [node], input: Array<object>(1_000_000).fill({ name: 'i' }) }],
    [
      'numbers',
      {
        node: [{ ...node, attribute: [{ name: 'n', ints: Array<bigint>(7_000_000).fill(1n) }] }],
      },
    ],
    ['dimensions', { node: [node], initializer: [{ dims: Array<bigint>(7_000_000).fill(1n) }] }],
    ['names', { node: [{ ...node, input: Array<string>(5_000_000).fill('') }] }],
  ])('is too much for very many %s', (_, graph) => {
    const bytes = bytesOf(graph);
    expect(costsTooMuch(bytes)).toBe(true);
    expect(() => decodeModel(bytes)).toThrow(/more parts than any decoder/u);
  });

  it('is not asked of what is no model: the parser says what is wrong', () => {
    for (const bytes of [[0], [0x3a, 0x7f, 1], [0xff, 0xff, 0xff], [0x3b], [0x3a, 0xff]])
      expect(costsTooMuch(Uint8Array.from(bytes))).toBe(false);
  });
});
