// Qwen2 (arXiv 2407.10671): LLaMA with biases on q, k and v. Qwen2-VL and Qwen2.5-VL have it with mRoPE. Defaults are
// Qwen2Config's.
import type { Config } from '../../checkpoint/config.js';
import type { DecoderSpec } from './decoder.js';
import { llamaLike, type DecoderWeights } from './llama.js';
import { mropeAxes, mropeRotation } from './mrope.js';
import { frequencies, ropeOf } from './rotary.js';

const DEFAULTS = {
  bias: { qkv: true, o: false },
  kvHeads: 32,
  intermediate: 22016,
  vocabulary: 151936,
  positions: 32768,
};

export function qwen2(text: Config, weights: DecoderWeights): DecoderSpec {
  return llamaLike(text, weights, DEFAULTS);
}

/** Qwen2 in Qwen2-VL and Qwen2.5-VL; defaults of Qwen2VLTextConfig. */
export function qwen2Vl(text: Config, weights: DecoderWeights): DecoderSpec {
  return withMrope(
    text,
    { theta: 1e6, interleaved: false },
    llamaLike(text, weights, {
      ...DEFAULTS,
      hidden: 8192,
      heads: 64,
      kvHeads: 8,
      layers: 80,
      intermediate: 29568,
      vocabulary: 152064,
      epsilon: 1e-5,
    }),
  );
}

/** How a decoder's class has its mRoPE: what is not said by the file, or whatever the file says. */
interface Mrope {
  readonly theta: number;
  readonly interleaved: boolean;
  readonly sections?: readonly number[];
}

/** The same decoder with three positions a token. */
export function withMrope(text: Config, mrope: Mrope, spec: DecoderSpec): DecoderSpec {
  const { theta, rope } = ropeOf(text, mrope.theta);
  const axes = mropeAxes(
    rope.ints('mrope_section', mrope.sections),
    spec.headSize / 2,
    mrope.interleaved,
    rope,
  );
  return {
    ...spec,
    positionAxes: 3,
    rotation: mropeRotation(frequencies(spec.headSize, theta, rope), axes),
  };
}
