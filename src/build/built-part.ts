// What is known of a part when it is written.
import type { QuantizedLayer } from '../quantize/quantize.js';
import type { WrittenFile } from './data-files.js';
import type { PartDtype, PartName } from './part-names.js';

/** A part that was built. */
export interface BuiltPart {
  readonly part: PartName;
  readonly dtype: PartDtype;
  readonly files: readonly WrittenFile[];
  /** What quantisation lost of each weight; empty for fp32 and fp16. */
  readonly quantized: readonly QuantizedLayer[];
}
