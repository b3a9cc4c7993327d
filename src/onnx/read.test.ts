import { describe, expect, it } from 'vitest';
import { modelOf, node } from '../../test/graphs.js';
import { FastvError } from '../errors.js';
import { decodeModel } from './read.js';
import { floatTensor } from './tensor.js';
import { concatChunks, encodeModel } from './write.js';

const bytes = concatChunks(
  encodeModel(
    modelOf({
      outputs: ['y'],
      nodes: [node('Identity', ['w'], ['y'])],
      initializers: [Object.assign(floatTensor(Array.from({ length: 4096 }, Math.sin)), { name: 'w' })],
    }),
  ),
);

/** What the bytes are refused for. */
function refusal(given: Uint8Array): FastvError {
  try {
    decodeModel(given, 'some.onnx');
  } catch (error) {
    if (error instanceof FastvError) return error;
    throw error;
  }
  throw new Error('not refused');
}

describe('decodeModel', () => {
  it('leaves weights where they are', () => {
    const weight = decodeModel(bytes).graph.initializer[0];
    expect(weight?.rawData.buffer).toBe(bytes.buffer);
    expect(weight?.rawData).toHaveLength(4096 * 4);
  });

  it('reads a part of a larger buffer, and a Node buffer', () => {
    const padded = new Uint8Array(bytes.length + 20).fill(0xff);
    padded.set(bytes, 10);
    expect(decodeModel(padded.subarray(10, 10 + bytes.length))).toEqual(decodeModel(bytes));
    const weight = decodeModel(Buffer.from(bytes)).graph.initializer[0];
    expect(weight?.rawData.constructor).toBe(Uint8Array);
  });

  it.each([
    ['nothing', new Uint8Array(), 'the file is empty'],
    ['text', new TextEncoder().encode('<html>not found</html>'), 'this is no ONNX model: '],
    ['half a file', bytes.subarray(0, bytes.length / 2), 'this is no ONNX model: '],
    ['a message without a graph', Uint8Array.of(8, 10), 'it has no graph'],
  ])('refuses %s', (_, given, message) => {
    const error = refusal(given);
    expect(error.message).toContain(message);
    expect(error).toMatchObject({ code: 'malformed-model', where: 'some.onnx' });
    expect(error.hint).toBeDefined();
  });
});
