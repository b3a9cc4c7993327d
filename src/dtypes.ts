// Number formats of weights, as Transformers.js 4.3 names them, and how the names of their ONNX files end.

/** The end of a file's name before `.onnx`, by dtype. */
export const DTYPE_SUFFIXES = {
  fp32: '',
  fp16: '_fp16',
  int8: '_int8',
  uint8: '_uint8',
  q8: '_quantized',
  q4: '_q4',
  q4f16: '_q4f16',
  bnb4: '_bnb4',
  q2: '_q2',
  q2f16: '_q2f16',
  q1: '_q1',
  q1f16: '_q1f16',
} as const;

/** A number format. */
export type Dtype = keyof typeof DTYPE_SUFFIXES;
