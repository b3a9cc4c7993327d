import { describe, expect, it } from 'vitest';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { decodeModel } from '../onnx/index.js';
import { processorNodes, rewriteDecoder } from '../rewrite/index.js';
import { withProcessorNodes } from './processor-nodes.js';

const decoder = decodeModel(toyDecoder(toyFamily('gqa').config).bytes);
const { model } = rewriteDecoder(decoder, { stages: [{ layer: 2 }], strategy: 'mmr' });
const forceCpuNodeNames = processorNodes(model);

describe('withProcessorNodes', () => {
  it('tells WebGPU, and nobody else', () => {
    const { executionProviders } = withProcessorNodes(
      { executionProviders: ['webgpu', 'cpu'], logSeverityLevel: 3 },
      model,
    );
    expect(forceCpuNodeNames.length).toBeGreaterThan(20);
    expect(executionProviders).toEqual([{ name: 'webgpu', forceCpuNodeNames }, 'cpu']);
  });

  it('keeps what the provider was told already', () => {
    const webgpu = { name: 'webgpu', preferredLayout: 'NHWC', forceCpuNodeNames: ['own'] };
    const { executionProviders, ...rest } = withProcessorNodes(
      { executionProviders: [webgpu], logSeverityLevel: 3 },
      model,
    );
    const names = ['own', ...forceCpuNodeNames];
    expect(executionProviders).toEqual([
      { name: 'webgpu', preferredLayout: 'NHWC', forceCpuNodeNames: names },
    ]);
    expect(rest).toEqual({ logSeverityLevel: 3 });
    expect(webgpu.forceCpuNodeNames).toEqual(['own']);
  });

  it.each([
    ['without WebGPU', { executionProviders: ['cpu', { name: 'wasm' }] }, model],
    ['without providers', {}, model],
    ['for a decoder that is not rewritten', { executionProviders: ['webgpu'] }, decoder],
  ])('leaves options alone %s', (_, options, loaded) => {
    expect(withProcessorNodes(options, loaded)).toBe(options);
  });
});
