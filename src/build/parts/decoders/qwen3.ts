// Qwen3 (arXiv 2505.09388): LLaMA with a norm on every head of q and k, and a head size of its own. Defaults are
// Qwen3Config's.
import type { Config } from '../../checkpoint/config.js';
import type { DecoderSpec } from './decoder.js';
import { llamaLike, type DecoderWeights } from './llama.js';
import { withMrope } from './qwen2.js';

const DEFAULTS = {
  headNorms: true,
  kvHeads: 32,
  headSize: 128,
  intermediate: 22016,
  vocabulary: 151936,
};

export function qwen3(text: Config, weights: DecoderWeights, positions = 32768): DecoderSpec {
  const bias = text.flag('attention_bias', false);
  return llamaLike(text, weights, { ...DEFAULTS, bias: { qkv: bias, o: bias }, positions });
}

/** Qwen3 in Qwen3-VL; defaults of Qwen3VLTextConfig. */
export function qwen3Vl(text: Config, weights: DecoderWeights): DecoderSpec {
  const mrope = { theta: 5e6, interleaved: true, sections: [24, 20, 20] };
  return withMrope(text, mrope, qwen3(text, weights, 128000));
}
