// Says when a decoder's weights are in a slow format for a device. The format decides more than pruning does: see
// docs/performance.md, and `npm run bench -- formats` for the machine at hand.
import { DataType, GraphView, intAttribute, type OnnxModel } from '../onnx/index.js';
import { linearLayers, type LinearLayer } from '../decoder/linear.js';

/** How a linear layer keeps its weight. */
export type WeightFormat =
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'int8, dynamic activations'
  | 'uint8, dynamic activations'
  | 'int4 blocks'
  | 'int8 blocks'
  | 'quantised, computed in float'
  | 'other';

/** One format that a decoder's weights are in. */
export interface FormatShare {
  readonly format: WeightFormat;
  /** The share of all linear weights, in [0, 1]. */
  readonly share: number;
  /** What to do about it on each device where it is slow. */
  readonly advice: { readonly cpu?: string; readonly webgpu?: string };
}

/** How products of uint8 activations and int8 weights are added up: without loss, or clamped at 16 bits. */
export type Int8Products = 'exact' | 'saturating';

/**
 * The formats of a decoder's linear weights, the largest share first.
 * @param int8 what the processor does to int8 products: where they are exact (VNNI, AMX, Arm) int8 is several times as
 *   fast as anything else, where they saturate it is as fast as uint8 (docs/performance.md)
 * @example
 * for (const { format, share } of weightAdvice(decodeModel(bytes))) console.log(format, share);
 */
export function weightAdvice(model: OnnxModel, int8: Int8Products = 'exact'): FormatShare[] {
  const texts = { ...ADVICE, ...(int8 === 'saturating' ? WITHOUT_VNNI : {}) };
  const weights = new Map<WeightFormat, number>();
  let all = 0;
  const view = new GraphView(model.graph);
  for (const linear of linearLayers(view)) {
    const count = linear.inFeatures * linear.outFeatures;
    const format = formatOf(view, linear);
    weights.set(format, (weights.get(format) ?? 0) + count);
    all += count;
  }
  return [...weights]
    .map(([format, count]) => ({ format, share: count / all, advice: texts[format] ?? {} }))
    .sort((a, b) => b.share - a.share);
}

const TO_INT8 = 'int8 weights are several times as fast there: fastv quantize --type int8';
const NO_GPU_KERNEL = 'there is no such kernel, so these layers run on the CPU: use int4 blocks or float16';

const ADVICE: Partial<Record<WeightFormat, FormatShare['advice']>> = {
  float32: { cpu: TO_INT8, webgpu: 'float16 or int4 blocks halve the memory traffic, or better' },
  float16: { cpu: `weights are widened to float32 there; ${TO_INT8}` },
  bfloat16: { cpu: `weights are widened to float32 there; ${TO_INT8}` },
  'uint8, dynamic activations': {
    cpu: 'signed kernels are faster, and this loses nothing: fastv quantize --type int8',
    webgpu: NO_GPU_KERNEL,
  },
  'int8, dynamic activations': { webgpu: NO_GPU_KERNEL },
  'int4 blocks': {
    cpu: 'prefill takes longer than with int8 weights (decoding does not): quantise the float32 or float16 export instead, fastv quantize --type int8',
  },
  'int8 blocks': {
    cpu: 'prefill takes longer than with one scale a channel: quantise the float export, fastv quantize --type int8',
  },
  'quantised, computed in float': {
    cpu: `weights are widened to float32 there; ${TO_INT8} of the float export`,
  },
};

const TO_UINT8 = 'uint8 weights take about two thirds of the time there: fastv quantize --type uint8';

/** What differs where int8 products saturate: fastv loads int8 as uint8 there. */
const WITHOUT_VNNI: typeof ADVICE = {
  float32: { cpu: TO_UINT8, webgpu: 'float16 or int4 blocks halve the memory traffic, or better' },
  float16: { cpu: `weights are widened to float32 there; ${TO_UINT8}` },
  bfloat16: { cpu: `weights are widened to float32 there; ${TO_UINT8}` },
  'uint8, dynamic activations': { webgpu: NO_GPU_KERNEL },
  'int4 blocks': {
    cpu: 'prefill takes as long as with float32 (decoding does not): quantise the float32 or float16 export instead, fastv quantize --type uint8',
  },
  'int8 blocks': {
    cpu: 'prefill takes longer than with one scale a channel: quantise the float export, fastv quantize --type uint8',
  },
  'quantised, computed in float': {
    cpu: `weights are widened to float32 there; ${TO_UINT8} of the float export`,
  },
};

const FLOATS: Partial<Record<number, WeightFormat>> = {
  [DataType.FLOAT]: 'float32',
  [DataType.FLOAT16]: 'float16',
  [DataType.BFLOAT16]: 'bfloat16',
};

const INTEGER_PRODUCT = new Set([
  'MatMulInteger',
  'MatMulIntegerToFloat',
  'DynamicQuantizeMatMul',
  'QLinearMatMul',
]);
const UINT8: number = DataType.UINT8;

function formatOf(view: GraphView, { node, weight, factor, elementType }: LinearLayer): WeightFormat {
  if (INTEGER_PRODUCT.has(node.opType)) {
    return weight.dataType === UINT8 ? 'uint8, dynamic activations' : 'int8, dynamic activations';
  }
  if (node.opType === 'MatMulBnb4') return 'int4 blocks';
  if (node.opType === 'MatMulNBits')
    return intAttribute(node, 'bits', 4) <= 4 ? 'int4 blocks' : 'int8 blocks';
  if (fromDequantize(view, factor)) return 'quantised, computed in float';
  return FLOATS[elementType] ?? 'other';
}

/** Whether the weight comes out of a DequantizeLinear. */
function fromDequantize(view: GraphView, weight: string): boolean {
  return view.producer(view.upstream(weight, ({ opType }) => opType !== 'DequantizeLinear')) !== undefined;
}
