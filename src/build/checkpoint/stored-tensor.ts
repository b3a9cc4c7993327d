// A tensor as a checkpoint's table of contents lists it, and the number formats that weights come in.
import { FastvError } from '../../errors.js';
import { DataType } from '../../onnx/tensor.js';

/** Bytes that can be read from anywhere: a file, or a file on the hub. */
export interface RandomAccess {
  /** For error messages. */
  readonly where: string;
  /** In bytes. */
  readonly size: number;
  /** The bytes [offset, offset + length). @throws {FastvError} `io` */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): void;
}

/** A tensor in a file. */
export interface StoredTensor {
  /** The format's own name of the element type, such as `BF16`. */
  readonly format: string;
  readonly dims: readonly number[];
  /** Where its bytes are, from the file's beginning. */
  readonly offset: number;
  readonly length: number;
}

/** Float formats that are read, as ONNX calls them. */
export const FLOAT_FORMATS: ReadonlyMap<string, { readonly type: DataType; readonly width: number }> =
  new Map([
    ['F32', { type: DataType.FLOAT, width: 4 }],
    ['F16', { type: DataType.FLOAT16, width: 2 }],
    ['BF16', { type: DataType.BFLOAT16, width: 2 }],
  ]);

/** The number of elements of a shape; undefined if it is no shape, or its product no safe number. */
export function sizeOf(dims: readonly unknown[]): number | undefined {
  let size = 1;
  for (const dim of dims) {
    if (typeof dim !== 'number' || !Number.isSafeInteger(dim) || dim < 0) return undefined;
    size *= dim;
    if (!Number.isSafeInteger(size)) return undefined;
  }
  return dims.length > 8 ? undefined : size;
}

/** A broken checkpoint. */
export function broken(where: string, message: string, hint = 'Download the file again.'): FastvError {
  return new FastvError('malformed-model', message, { where, hint });
}
