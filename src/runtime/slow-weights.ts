// Says when a decoder's weights are in a slow format for the device that runs it: that costs more than pruning saves.
import { decodeModel } from '../onnx/index.js';
import { weightAdvice, type WeightFormat } from '../quantize/weight-advice.js';
import type { Int8Products } from './processor.js';
import type { SessionOptions } from './session-swap.js';
import { measuredDevice, type MeasuredDevice } from './measured-device.js';

/** Formats that hold less of the weights than this are not worth a word. */
const NOTABLE = 0.1;

const DEVICES: Readonly<Record<MeasuredDevice, string>> = { cpu: 'the CPU', webgpu: 'WebGPU' };

/** The dtype of Transformers.js that is fast where these formats are slow. */
const DTYPES: Readonly<
  Record<MeasuredDevice, { readonly dtype: string; readonly for: ReadonlySet<WeightFormat> }>
> = {
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
 * device.
 * @param bytes the decoder's graph
 * @param options with which ONNX Runtime loads it
 * @param int8 what the processor does to int8 products
 */
export function slowWeights(
  bytes: Uint8Array,
  options: SessionOptions,
  int8: Int8Products = 'exact',
): string | undefined {
  const device = measuredDevice(options);
  if (device === undefined) return undefined;
  const { dtype, for: helped } = DTYPES[device];
  const advice = weightAdvice(decodeModel(bytes), int8).flatMap(({ format, share, advice: by }) => {
    const what = by[device];
    if (what === undefined || share < NOTABLE) return [];
    const part = `${Math.round(100 * share)}% of the decoder's weights are ${format}, which is slow on ${DEVICES[device]}: ${what}`;
    return [helped.has(format) ? `${part}; or load dtype '${dtype}' where the model has it` : part];
  });
  return advice.length === 0 ? undefined : advice.join('\n');
}
