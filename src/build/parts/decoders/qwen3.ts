// Qwen3 (arXiv 2505.09388): LLaMA with a norm on every head of q and k, and a head size of its own. Defaults are
// Qwen3VLTextConfig's.
import type { Config } from '../../checkpoint/config.js';
import type { DecoderSpec } from './decoder.js';
import { llamaLike, type DecoderWeights } from './llama.js';
import { withMrope } from './qwen2.js';

/** Qwen3 in Qwen3-VL. */
export function qwen3Vl(text: Config, weights: DecoderWeights): DecoderSpec {
  const bias = text.flag('attention_bias', false);
  const defaults = {
    bias: { qkv: bias, o: bias },
    headNorms: true,
    kvHeads: 32,
    headSize: 128,
    intermediate: 22016,
    vocabulary: 151936,
    positions: 128000,
  };
  return withMrope(text, 5e6, llamaLike(text, weights, defaults));
}
