// Session options by which WebGPU leaves a rewritten decoder's loops to the processor.
import type { GraphProto } from '../onnx/index.js';
import { processorNodes } from '../rewrite/processor-nodes.js';
import { measuredDevice } from './measured-device.js';
import type { SessionOptions } from './session-swap.js';

/** The option of ONNX Runtime's WebGPU provider, in Node and in browsers. */
interface WebGpuOptions {
  readonly name: string;
  readonly forceCpuNodeNames?: readonly string[];
}

/** The same options, in which the provider `webgpu` is told which nodes are for the processor; unchanged without it. */
export function withProcessorNodes(
  options: SessionOptions,
  model: { readonly graph: GraphProto },
): SessionOptions {
  const [provider, ...others] = options.executionProviders ?? [];
  if (provider === undefined || measuredDevice(options) !== 'webgpu') return options;
  const nodes = processorNodes(model);
  if (nodes.length === 0) return options; // ONNX Runtime takes no empty list
  const given: WebGpuOptions = typeof provider === 'string' ? { name: provider } : provider;
  const webgpu = { ...given, forceCpuNodeNames: [...(given.forceCpuNodeNames ?? []), ...nodes] };
  return { ...options, executionProviders: [webgpu, ...others] };
}
