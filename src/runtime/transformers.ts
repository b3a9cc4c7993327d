// The little of Transformers.js (4.3) that the plug touches, written down in one place. Nothing of it is imported: the
// plug works on the objects that the caller's own copy of Transformers.js makes, so two copies cannot get mixed up.
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';

export type { OrtTensor };

/** An ONNX Runtime session as Transformers.js keeps it: with the dtype and device that it chose. */
export type OrtSession = InferenceSession & { config?: unknown };

/** Transformers.js's tensor: a wrapper of an ONNX Runtime tensor. */
export interface HfTensor {
  readonly type: string;
  readonly data: ArrayLike<number | bigint>;
  readonly dims: readonly number[];
  readonly location: string;
  readonly ort_tensor: OrtTensor;
}

/** The arguments of a forward pass, as far as they matter here. */
export interface ForwardInputs {
  input_ids?: HfTensor | null;
  attention_mask?: HfTensor | null;
  pixel_values?: HfTensor | null;
  past_key_values?: HfCache | null;
  fastv?: unknown;
  [name: string]: unknown;
}

/** A `DynamicCache`: named tensors. */
export interface HfCache {
  get_seq_length(): number;
}

/** A loaded image-text model. */
export interface HfModel {
  readonly config: Readonly<Record<string, unknown>>;
  sessions: Record<string, OrtSession>;
  forward_params: string[];
  forward(inputs: ForwardInputs): Promise<unknown>;
  generate(options: Record<string, unknown>): Promise<unknown>;
  prepare_inputs_for_generation(ids: unknown, inputs: ForwardInputs, config: unknown): ForwardInputs;
}

/** Whether a value is a Transformers.js tensor. */
export function isHfTensor(value: unknown): value is HfTensor {
  return typeof value === 'object' && value !== null && 'ort_tensor' in value && 'dims' in value;
}

/** Whether a value is a plain object or the like (functions, as Transformers.js's callable models are, included). */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/**
 * A tensor with the same data but an identity of its own, so that it can stand for one forward pass.
 * Only data on the CPU can be shared; other tensors are returned as they are.
 */
export function alias(tensor: HfTensor): HfTensor {
  return tensor.location === 'cpu' ? like(tensor, tensor.data) : tensor;
}

/** An int64 tensor of the same shape, all ones. */
export function ones(tensor: HfTensor): HfTensor {
  return like(tensor, new BigInt64Array(tensor.data.length).fill(1n));
}

/** A tensor of another's type, shape and class. */
export function like(tensor: HfTensor, data: ArrayLike<number | bigint>): HfTensor {
  const constructor = tensor.constructor as new (
    type: string,
    data: ArrayLike<number | bigint>,
    dims: readonly number[],
  ) => HfTensor;
  return new constructor(tensor.type, data, tensor.dims);
}

/** A tensor of ONNX Runtime, of the class of another: of the copy that made that one, since nothing is imported here. */
export function ortTensorLike(
  { constructor }: OrtTensor,
  type: string,
  data: OrtTensor['data'],
  dims: readonly number[],
): OrtTensor {
  const OrtClass = constructor as new (
    type: string,
    data: OrtTensor['data'],
    dims: readonly number[],
  ) => OrtTensor;
  return new OrtClass(type, data, dims);
}

/** Checks that what `from_pretrained` gave is an image-text model with a merged decoder. */
export function isDecoderModel(model: unknown): model is HfModel {
  return (
    isRecord(model) &&
    isRecord(model['sessions']) &&
    isRecord(model['sessions']['decoder_model_merged']) &&
    isRecord(model['config']) &&
    typeof model['forward'] === 'function' &&
    Array.isArray(model['forward_params'])
  );
}
