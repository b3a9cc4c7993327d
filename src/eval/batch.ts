/**
 * Which questions can be asked in one batch, and their inputs as one.
 *
 * Only prompts of one length with images of one shape share a batch, so that no row is padded and all rows are
 * pruned to the same number of tokens: each row is computed as if it were alone, on decoders without
 * `position_ids` too.
 */
import { Tensor } from '@huggingface/transformers';
import type { ModelInputs } from '../runtime/conversation.js';
import { imageTokenMask } from '../runtime/image-tokens.js';

/**
 * A text that is equal for inputs that can share a batch.
 * @param inputs of one question, as a processor made them
 * @param imageIds the ids that stand for image tokens
 * @returns null for inputs that cannot share one: something in them is neither a tensor nor a list
 */
export function batchKey(inputs: ModelInputs, imageIds: ReadonlySet<bigint>): string | null {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(inputs)) {
    if (value instanceof Tensor) {
      if (value.location !== 'cpu') return null;
      parts.push(`${name} ${value.type} [${value.dims.join()}]`);
    } else if (Array.isArray(value)) parts.push(`${name} ${value.length}`);
    else return null;
  }
  const images = imageTokenMask(inputs.input_ids, imageIds).filter((is) => is === 1).length;
  return [...parts.sort(), `${images} image tokens`].join('\n');
}

/**
 * The inputs of several questions with one {@link batchKey}: tensors and lists one after the other, on axis 0.
 * @returns `input_ids` and `attention_mask` as `[questions, length]`
 */
export function joinInputs(each: readonly ModelInputs[]): ModelInputs {
  const [first] = each;
  if (first === undefined) throw new Error('there is nothing to join');
  if (each.length === 1) return first;
  const joined = Object.entries(first).map(([name, value]): [string, unknown] => {
    const values = each.map((inputs) => inputs[name]);
    return [name, value instanceof Tensor ? joinTensors(values as Tensor[]) : (values as unknown[][]).flat()];
  });
  return Object.fromEntries(joined) as ModelInputs;
}

function joinTensors(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  if (first === undefined) throw new Error('there is nothing to join');
  const [rows = 1, ...rest] = first.dims;
  const data = joinArrays(tensors.map((tensor) => tensor.data as TypedArray));
  return new Tensor(first.type, data, [rows * tensors.length, ...rest]);
}

/** A typed array, whatever its numbers are. */
export type TypedArray = ArrayBufferView & {
  readonly length: number;
  slice(start?: number, end?: number): TypedArray;
  set(from: TypedArray, offset: number): void;
};

/** Typed arrays of one kind, one after the other. */
export function joinArrays(arrays: readonly TypedArray[]): TypedArray {
  const length = arrays.reduce((sum, array) => sum + array.length, 0);
  const { constructor } = arrays[0] ?? new Float32Array();
  const make = constructor as new (length: number) => TypedArray;
  const joined = new make(length);
  let at = 0;
  for (const array of arrays) {
    joined.set(array, at);
    at += array.length;
  }
  return joined;
}
