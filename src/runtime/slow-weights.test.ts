import { describe, expect, it } from 'vitest';
import { inMemory, randomDecoder, type WeightType } from '../../bench/decoder.js';
import { concatChunks, encodeModel } from '../onnx/index.js';
import { findStrategy } from '../strategies/index.js';
import { rewrittenGraph } from './rewritten-graph.js';
import { slowWeights } from './slow-weights.js';

const shape = { layers: 2, hidden: 32, heads: 2, kvHeads: 1, headDim: 16, mlp: 48, vocab: 16 };
const decoder = (weights: WeightType): Uint8Array =>
  concatChunks(
    encodeModel(randomDecoder({ ...shape, mlpMatrices: 3, kvBytesPerElement: 4 }, weights, inMemory)),
  );
const on = (...executionProviders: (string | { name: string })[]) => ({ executionProviders });

describe('slowWeights', () => {
  it.each([
    [
      'fp32',
      'cpu',
      /^100% .* float32, .* slow on the CPU: .*fastv quantize --type int8; or load dtype 'q8'/u,
    ],
    ['fp32', 'webgpu', /^100% .* float32, .* slow on WebGPU: .*; or load dtype 'q4f16'/u],
    ['uint8', 'cpu', /uint8.*fastv quantize --type int8$/u],
    ['int8', 'webgpu', /int8.* run on the CPU.*'q4f16'/u],
    ['int4', 'cpu', /int4 blocks.*fastv quantize --type int8$/u],
  ] as const)('says what to do about %s on %s', (weights, device, message) => {
    expect(slowWeights(decoder(weights), on(device))).toMatch(message);
    expect(slowWeights(decoder(weights), on({ name: device }, 'cpu'))).toMatch(message);
  });

  it.each([
    ['int8', 'cpu'],
    ['int4', 'webgpu'],
    ['fp32', 'wasm'],
    ['fp32', 'cuda'],
  ] as const)('has nothing to say about %s on %s', (weights, device) => {
    expect(slowWeights(decoder(weights), on(device))).toBeUndefined();
  });

  it('has nothing to say where no device is named', () => {
    expect(slowWeights(decoder('fp32'), {})).toBeUndefined();
  });

  it('sees the same in a rewritten graph whose weights lie elsewhere', () => {
    const bytes = decoder('fp32');
    const rewritten = rewrittenGraph(
      bytes,
      { layers: [1], strategy: findStrategy('attention') },
      'original.onnx',
    );
    expect(slowWeights(rewritten, on('cpu'))).toBe(slowWeights(bytes, on('cpu')));
  });
});
