// Says when a decoder's weights are in a slow format for the device that runs it: that costs more than pruning saves.
import { decodeModel } from '../onnx/index.js';
import { weightAdvice, type WeightFormat } from '../rewrite/index.js';
import type { Int8Products } from './processor.js';
import type { SessionOptions } from './session-swap.js';

/** Formats that hold less of the weights than this are not worth a word. */
const NOTABLE = 0.1;

const DEVICES = { cpu: 'the CPU', webgpu: 'WebGPU' } as const;
type Device = keyof typeof DEVICES;

/** The dtype of Transformers.js that is fast where these formats are slow. */
const DTYPES: Readonly<Record<Device, { readonly dtype: string; readonly for: ReadonlySet<WeightFormat> }>> =
  {
    cpu: {
      dtype: 'q8',
      for: new Set<WeightFormat>(['float32', 'float16', 'bfloat16', 'quantised, computed in float']),
    },
    webgpu: {
      dtype: 'q4f16',
      for: new Set<WeightFormat>(['float32', 'int8, dynamic activations', 'uint8, dynamic activations']),
    },
  };

/**
 * What to do about a decoder's weights, in one text; undefined if there is nothing to say, or nothing is known of the
 * device. Which formats are slow was measured on CPUs and WebGPU; WebAssembly and the others are not among them.
 * @param bytes the decoder's graph
 * @param int8 what the processor does to int8 products
 * @param options with which ONNX Runtime loads it: their first execution provider is the device
 */
export function slowWeights(
  bytes: Uint8Array,
  options: SessionOptions,
  int8: Int8Products = 'exact',
): string | undefined {
  const [provider] = options.executionProviders ?? [];
  const name = typeof provider === 'object' ? provider.name : provider;
  if (name !== 'cpu' && name !== 'webgpu') return undefined;
  const { dtype, for: helped } = DTYPES[name];
  const advice = weightAdvice(decodeModel(bytes), int8).flatMap(({ format, share, advice: by }) => {
    const what = by[name];
    if (what === undefined || share < NOTABLE) return [];
    const part = `${Math.round(100 * share)}% of the decoder's weights are ${format}, which is slow on ${DEVICES[name]}: ${what}`;
    return [helped.has(format) ? `${part}; or load dtype '${dtype}' where the model has it` : part];
  });
  return advice.length === 0 ? undefined : advice.join('\n');
}
