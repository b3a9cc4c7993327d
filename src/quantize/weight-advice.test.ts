import { describe, expect, it } from 'vitest';
import { inMemory, randomDecoder, type WeightType } from '../../bench/decoder.js';
import { concatChunks, decodeModel, encodeModel } from '../onnx/index.js';
import { recentre } from './recentre.js';
import { weightAdvice } from './weight-advice.js';

const shape = { layers: 1, hidden: 32, heads: 2, kvHeads: 1, headDim: 16, mlp: 48, vocab: 16 };
const decoder = (weights: WeightType) =>
  decodeModel(
    concatChunks(
      encodeModel(randomDecoder({ ...shape, mlpMatrices: 3, kvBytesPerElement: 4 }, weights, inMemory)),
    ),
  );

describe('weightAdvice', () => {
  it.each([
    ['fp32', 'float32', /--type int8/],
    ['uint8', 'uint8, dynamic activations', /loses nothing/],
    ['int4', 'int4 blocks', /--type int8/],
  ] as const)('says what to do about %s on the CPU', (weights, format, advice) => {
    const [first, ...others] = weightAdvice(decoder(weights));
    expect(others).toEqual([]);
    expect(first).toMatchObject({ format, share: 1 });
    expect(first?.advice.cpu).toMatch(advice);
  });

  it.each([
    ['fp32', /--type uint8/],
    ['int4', /--type uint8/],
    ['uint8', undefined],
    ['int8', undefined],
  ] as const)('promises no fast int8 where it saturates: %s', (weights, advice) => {
    const [first] = weightAdvice(decoder(weights), 'saturating');
    expect(first?.advice.cpu ?? '').not.toMatch(/several times|--type int8/);
    if (advice === undefined) expect(first?.advice.cpu).toBeUndefined();
    else expect(first?.advice.cpu).toMatch(advice);
  });

  it('has nothing to say about int8 there, but on WebGPU', () => {
    for (const model of [decoder('int8'), recentre(decoder('uint8')).model]) {
      const [first] = weightAdvice(model);
      expect(first?.format).toBe('int8, dynamic activations');
      expect(first?.advice.cpu).toBeUndefined();
      expect(first?.advice.webgpu).toMatch(/run on the CPU/);
    }
  });
});
