// The parts of a model and their number formats, as Transformers.js 4.3 names their files.
import { DTYPE_SUFFIXES, type Dtype } from '../dtypes.js';

/** The number formats that a part can be built in. */
export const PART_DTYPES = ['fp32', 'fp16', 'q8', 'q4', 'q4f16'] as const satisfies readonly Dtype[];
/** The number format of a part. */
export type PartDtype = (typeof PART_DTYPES)[number];

/** The name of a part's file. @example fileName('vision_encoder', 'q8') // 'vision_encoder_quantized.onnx' */
export function fileName(part: string, dtype: Dtype): string {
  return `${part}${DTYPE_SUFFIXES[dtype]}.onnx`;
}

/** The parts of a model, as Transformers.js calls them; the last is one of ours, which Video-LLaVA has. */
export const PARTS = ['vision_encoder', 'embed_tokens', 'decoder_model_merged', 'video_encoder'] as const;
/** A part of a model. */
export type PartName = (typeof PARTS)[number];
